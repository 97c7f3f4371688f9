\version "2.24.0"

\header {
  title = "Minuet in F major"
  subtitle = "from the Notebook for Anna Magdalena Bach"
  composer = "Anonymous (before 1725)"
  opus = "BWV Anh. 113"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key f \major
  \time 3/4
  \tempo 4 = 112
}

right = \relative c'' {
  \clef treble
  \repeat volta 2 {
    c4 d16 e f8 e4 |
    \tuplet 3/2 { f8 e d } c2 |
    \tuplet 3/2 { d8 es d } \tuplet 3/2 { c8 d c } \tuplet 3/2 { bes8 c bes } |
    \appoggiatura bes8 a2 g4 |
    a8 c f, c' g c |
    a8 c bes c g c |
    a8 c f, c' g c |
    a8 c bes c g c |
    a8 c d e f d |
    c8 b a g c16 d c b |
    c8 f e4 d16\trill c d8 |
    c2. |
  }
  \repeat volta 2 {
    g'4 f8 e f d |
    e8 g bes4 r |
    a4 g8 f e d |
    \appoggiatura d8 cis2. |
    cis8 d e cis d e |
    a,4 a a |
    cis8 d e cis d e |
    g,4 g g |
    cis8 d e cis d e |
    a,8 d c bes a g |
    f4 g e |
    d2. |
    c'8 f e f es f |
    a8 f d f c f |
    d8 g fis g f g |
    bes8 g e g c, bes |
    a8 f' g a g f |
    bes,8 g' a bes a g |
    c,8 c' bes a g a |
    \appoggiatura g8 f2. |
  }
}

left = \relative f {
  \clef bass
  \repeat volta 2 {
    f4 a g |
    a4 f8 g a f |
    bes4 c c, |
    f4 c8 d e c |
    f4 a, g |
    f4 g e |
    f4 a g |
    f4 g e |
    f4 f' d |
    g4 e a |
    f4 g g, |
    c2. |
  }
  \repeat volta 2 {
    c4 g' g, |
    c4 e8 d e c |
    f4 bes g |
    a4 e cis |
    a4 a' e |
    cis8 d e cis d e |
    a,4 a a |
    cis8 d e cis d e |
    g,4 g g |
    f4 f' g |
    a2 a,4 |
    d8 d' c bes a g |
    a2 g4 |
    f4 bes a |
    bes2 a4 |
    g4 c e, |
    f4 r r |
    g4 r r |
    a4 bes c |
    f,2. |
  }
}

\score {
  \new PianoStaff <<
    \new Staff = "right" { \global \right }
    \new Staff = "left" { \global \left }
  >>
  \layout { }
  \midi { }
}
