\version "2.24.0"

\header {
  title = "Minuet in G major"
  subtitle = "from the Notebook for Anna Magdalena Bach"
  composer = "Christian Petzold (1677–1733)"
  opus = "BWV Anh. 114"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key g \major
  \time 3/4
  \tempo 4 = 120
}

right = \relative c'' {
  \clef treble
  \repeat volta 2 {
    d4 g,8 a b c |
    d4 g, g |
    e'4 c8\mordent d e fis |
    g4 g, g |
    c4\mordent d8 c b a |
    b4 c8 b a g |
    fis4 g8 a b g |
    \appoggiatura b8 a2. |
    d4 g,8 a b c |
    d4 g, g |
    e'4 c8\mordent d e fis |
    g4 g, g |
    c4\mordent d8 c b a |
    b4 c8 b a g |
    a4 b8 a g fis |
    g2. |
  }
  \repeat volta 2 {
    b'4 g8 a b g |
    a4 d,8 e fis d |
    g4 e8 fis g d |
    cis4 b8 cis a4 |
    a8 b cis d e fis |
    g4 fis e |
    fis4 a, cis |
    d2. |
    d4 g,8 fis g4 |
    e'4 g,8 fis g4 |
    d'4 c b |
    a8 g fis g a4 |
    d,8 e fis g a b |
    c4 b\prall a |
    b8 d g,4 fis |
    <b, d g>2. |
  }
}

left = \relative c' {
  \clef bass
  \repeat volta 2 {
    <g b d>2 a4 |
    b2. |
    c2. |
    b2. |
    a2. |
    g2. |
    d'4 b g |
    d'4 d,8 c' b a |
    b2 a4 |
    g4 b g |
    c2. |
    b4 c8 b a g |
    a2 fis4 |
    g2 b4 |
    c4 d d, |
    g2 g,4 |
  }
  \repeat volta 2 {
    g'2. |
    fis2. |
    e4 g e |
    a2 a,4 |
    a'2. |
    b4 d cis |
    d4 fis, a |
    d4 d, c'! |
    << { r4 d2 } \\ { b2 b4 } >> |
    << { r4 e2 } \\ { c2 c4 } >> |
    b4 a g |
    d'2 r4 |
    << { s2 fis,4 } \\ { d2. } >> |
    e4 g fis |
    g4 b, d |
    g4 d g, |
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
