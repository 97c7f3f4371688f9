\version "2.24.0"

\header {
  title = "The Happy Farmer"
  subtitle = "from the Album for the Young"
  composer = "Robert Schumann (1810–1856)"
  opus = "Op. 68, No. 10"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key f \major
  \time 4/4
  \tempo 4 = 116
  \partial 8
}

middle = \relative c' {
  <<
    {
      bes'4.-> a8 g4. c,8 |
      bes'8-> a g f g4. c,8 |
      f4. a8 c4. f,8 |
      bes8 d f d c4. s8 |
    }
    \\
    {
      r8 <c, e> <c e> r r <bes c> <bes c> r |
      r8 c c b r c c r |
      r8 <a c> <a c> r r <f' a> <f a> r |
      r8 <f bes> r <f bes> r <f a> <f a> r |
    }
  >>
}

right = \relative c' {
  \clef treble
  r8 |
  r8 <c f a>\f <c f a> r r <f a c> <f a c> r |
  r8 <f bes d> <bes d> r r <f a c> <f a c> r |
  r8 <e bes' c> <e bes' c>4 r8 <c f a> <c f a>4 |
  r8 <c g'> r <f g b> r <e g c> <e g c>4 |
  r8 <c f a> <c f a> r r <f a c> <f a c> r |
  r8 <f bes d> <bes d> r r <f a c> <f a c> r |
  r8 <e bes' c> <e bes' c>4 r8 <c f a> <c f a>4 |
  r8 <c g'> r <f g b> r <e g c> <e g c> c\noBeam\f |
  \middle
  r8 <e bes' c> <e bes' c>4 r8 <c f a> <c f a> <c f a> |
  r8 <d g> r <bes c> r <a c f> <a c f> c\noBeam |
  \middle
  r8 <e bes' c> <e bes' c>4 r8 <c f a> <c f a> <c f a> |
  r8 <d g> r <bes c> r <a c f> <a c f>
  \bar "|."
}

left = \relative c {
  \clef bass
  c8( |
  f4. a8 c4. f,8 |
  bes8 d f d c4.) a8( |
  bes8 g c, bes' a f c a' |
  e4 d c) r8 c( |
  f4. a8 c4. f,8 |
  bes8 d f d c4.) a8( |
  bes8 g c, bes' a f c a' |
  e4 d c) r8 c( |
  g'4.-> f8 e4.) c8( |
  g'8-> f e d e4.) c8( |
  f4. a8 c4. f,8 |
  bes8 d f d c4.) a8( |
  bes8 g c, bes' a f c a' |
  <bes, g'>4 <c e> f) r8 c( |
  g'4.-> f8 e4.) c8( |
  g'8-> f e d e4.) c8( |
  f4. a8 c4. f,8 |
  bes8 d f d c4.) a8( |
  bes8 g c, bes' a f c a' |
  <bes, g'>4 <c e> f) r8
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
