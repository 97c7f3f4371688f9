\version "2.24.0"

\header {
  title = "Invention No. 8 in F major"
  composer = "Johann Sebastian Bach (1685–1750)"
  opus = "BWV 779"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key f \major
  \time 3/4
  \tempo 4 = 96
}

right = \relative f' {
  \clef treble
  r8 f a f c' f, |
  f'8 e16 d c d c bes a bes a g |
  f8 a c a f' c |
  a'16 c bes c a c bes c a c bes c |
  f,16 a g a f a g a f a g a |
  d,16 f e f d f e f d f e f |
  b,8 g d' b f' d |
  g16 a g f e f e d c d c bes |
  a8 d16 c b c b a g a g f |
  e16 f e d c8 c'16 b c8 e, |
  f8 c' e, c' d, b' |
  c4 r r |
  r8 c e c g' c, |
  c'8 b16 a g a g f e f e d |
  c16 bes c a' c, a' bes, a' c, a' a, a' |
  bes,8 g bes g d' g, |
  g'8 f16 es d es d c bes c bes a |
  g8 bes d bes g' d |
  bes'8 cis, bes' cis, bes' cis, |
  d8 a f' d a' f |
  g16 f g bes c, bes' d, bes' e, bes' c, bes' |
  f16 e f a b, a' cis, a' d, a' b, a' |
  e16 d e g a, g' b, g' cis, g' a, g' |
  f8 d bes d g, f' |
  e8 c a c f, es' |
  d16 f es f d f es f d f es f |
  bes,16 d c d bes d c d bes d c d |
  g,16 bes a bes g bes a bes g bes a bes |
  e,8 c g' e bes' g |
  c16 d c bes a bes a g f g f es |
  d8 g16 f e f e d c d c bes |
  a16 bes a g f8 f'16 e f8 a, |
  bes8 f' a, f' g, e' |
  <a, c f>4 r r |
  \bar "|."
}

left = \relative f {
  \clef bass
  R2. |
  r8 f a f c' f, |
  f'8 e16 d c d c bes a bes a g |
  f8 a c a f' c |
  \clef treble
  a'16 c bes c a c bes c a c bes c |
  f,16 a g a f a g a f a g a |
  d,16 f e f d f e f d f e f |
  \clef bass
  b,8 g c g e' c |
  f16 g f e d e d c b c b a |
  g8 c16 b a b a g f g f e |
  d16 e d c g' f e f g8 g, |
  r8 c e c g' c, |
  c'8 b16 a g a g f e f e d |
  c8 e g e c' g |
  es'8 fis, es' fis, es' fis, |
  g8 f16 es d es d c bes c bes a |
  g8 g' bes g d' g, |
  g'8 f16 es d es d c bes c bes a |
  g16 f g e' g, e' f, e' g, e' e, e' |
  f,16 e f d' f, d' e, d' f, d' d, d' |
  bes8 g e g c, e |
  a8 f d f b, d |
  g8 e cis e a, cis |
  d,16 d' c d g, d' a d bes d g, d' |
  c,16 c' bes c f, c' g c a c f, c' |
  bes8 d f d bes' f |
  d'16 f es f d f es f d f es f |
  bes,16 d c d bes d c d bes d c d |
  g,16 bes a bes g bes a bes g bes a bes |
  e,8 c f c a' f |
  bes16 c bes a g a g f e f e d |
  c8 f16 e d e d c bes c bes a |
  g16 a g f c' bes a bes c8 c, |
  f4 r r |
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
