\version "2.24.0"

\header {
  title = "Invention No. 4 in D minor"
  composer = "Johann Sebastian Bach (1685–1750)"
  opus = "BWV 775"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key d \minor
  \time 3/8
  \tempo 8 = 132
}

right = \relative d' {
  \clef treble
  d16 e f g a bes |
  cis,16 bes' a g f e |
  f8 a d |
  g,8 cis e |
  d16 e f g a bes |
  cis,16 bes' a g f e |
  f16 d e f g a |
  bes,16 a' g f e d |
  e16 c d e f g |
  a,16 g' f e d c |
  d16 e f d e f |
  g,8 r r |
  c16 d e c d e |
  f,8 r bes~ |
  bes8 a g |
  c16 bes a g f e |
  f16 g g8.\trill f16 |
  f8 c' c |
  c4.~\trill |
  c4.~ |
  c4.~ |
  c16 bes a g f e |
  c'16 d, e fis g a |
  bes16 a g f e d |
  bes'16 c, d e f g |
  a16 b c d e f |
  gis,16 f' e d c b |
  c16 b d c b a |
  gis16 a gis fis e d |
  c16 d e fis gis a |
  d,16 c' b a gis fis |
  e16 fis gis a b c |
  fis,16 e' d c b a |
  gis16 a b c d e |
  a,16 f' e d c b |
  a'16 gis fis e a8~ |
  a16 d, b8.\trill a16 |
  a8. a16 bes c |
  d,8 fis a |
  bes16 g a bes c d |
  e,16 d' c bes a g |
  a8 f'16 e f8 |
  g,8 e' r |
  d16 e f g a bes |
  cis,16 bes' a g f e |
  f8 d g,~ |
  g16 d' cis e a, cis |
  d16 b cis8.\trill d16 |
  d16 c bes a g f |
  bes16 cis, d e f g |
  a16 d f,8 e16 d |
  d4.\fermata |
  \bar "|."
}

left = \relative d {
  \clef bass
  R4. |
  R4. |
  d16 e f g a bes |
  cis,16 bes' a g f e |
  f8 a d |
  e,8 g cis |
  d,8 d' f, |
  g8 a bes |
  c,8 c' e, |
  f8 g a |
  bes16 g a bes c d |
  e,16 d' c bes a g |
  a16 f g a bes c |
  d,16 c' bes a g f |
  e16 c d e f g |
  a,16 g' f e d c |
  d16 bes c8 c, |
  f16 g a bes c d |
  e,16 d' c bes a g |
  a16 bes c d e f |
  g,16 f' e d c bes |
  a16 bes c a bes c |
  fis,8 r r |
  g16 a bes g a bes |
  e,8 r r |
  f8 f' d |
  b8 gis e |
  a16 gis a b c d |
  e4.~\trill |
  e4.~ |
  e4.~ |
  e4.~ |
  e4.~ |
  e8 e' d |
  c8 b a |
  d8 e f |
  d8 e e, |
  a16 a, bes c d es |
  fis,16 es' d c bes a |
  g8. g16 a bes |
  c,8 g' c |
  f16 g a b cis d |
  e,16 d' cis b a g |
  f8 a d |
  e,8 g cis |
  d,16 e f g a bes |
  cis,16 bes' a g f e |
  f16 g a8 a, |
  bes8. c16 bes a |
  g16 bes' a g f e |
  f16 g a8 a, |
  d,4.\fermata |
  \bar "|."
}

\score {
  \new PianoStaff <<
    \new Staff = "right" { \global \right }
    \new Staff = "left" { \global \left }
  >>
  \layout { }
  \midi { }
}
