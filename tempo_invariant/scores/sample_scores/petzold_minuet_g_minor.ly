\version "2.24.0"

\header {
  title = "Minuet in G minor"
  subtitle = "from the Notebook for Anna Magdalena Bach"
  composer = "Christian Petzold (1677–1733)"
  opus = "BWV Anh. 115"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key g \minor
  \time 3/4
  \tempo 4 = 112
}

right = \relative c''' {
  \clef treble
  \repeat volta 2 {
    bes4 a\prall g |
    a4 d, d |
    g4 g,8 a bes c |
    d2. |
    es4 f8 es d c |
    d4 es8 d c bes |
    c4 d8 c bes c |
    a2.\prall |
    bes'4 a\prall g |
    a4 d, d |
    g4 g,8 a bes c |
    d2. |
    f4\mordent g8 f es d |
    es4 f8 es d c |
    d4 g c,\prall |
    <d, f bes>2. |
  }
  \repeat volta 2 {
    d'4 bes8 c d e |
    f4 g a |
    bes4 g8 a bes g |
    a4 g8 a f4 |
    f,8 g a bes c d |
    es4 d\mordent c |
    f4 bes, a |
    bes2. |
    g4 d'8 c d4 |
    g,4 es'8 d es4 |
    g,8 d' fis, c' g bes |
    a2 r4 |
    d,8 e fis g a bes |
    c4 bes a |
    bes8\prall c16 d g,4 fis |
    <bes, d g>2. |
  }
}

left = \relative g {
  \clef bass
  \repeat volta 2 {
    g2. |
    f2. |
    es2. |
    d4 d'8 c bes a |
    <g bes>2 a4 |
    bes2 g4 |
    a4 fis g |
    d4 d'8 c bes a |
    g2. |
    f2. |
    es2. |
    d4 d'8 c b a |
    <b d>2 g4 |
    c4 a f |
    bes4 es, <f a> |
    bes4 bes,2 |
  }
  \repeat volta 2 {
    bes'2. |
    a4 g f |
    g4 e c |
    f2 r4 |
    a4 g f |
    g4 f es |
    d4 es f |
    bes,4 d' c |
    <b d>2. |
    c2. |
    bes4 a g |
    d'4 a8 g fis e |
    d2 r4 |
    es4 d c |
    bes4 c d |
    g4 g,2 |
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
