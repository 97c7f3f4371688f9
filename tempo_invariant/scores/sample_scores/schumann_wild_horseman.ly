\version "2.24.0"

\header {
  title = "The Wild Horseman"
  subtitle = "from the Album for the Young"
  composer = "Robert Schumann (1810–1856)"
  opus = "Op. 68, No. 8"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key a \minor
  \time 6/8
  \tempo 4. = 112
  \partial 8
}

right = \relative e' {
  \clef treble
  \repeat volta 2 {
    e8-.\mf |
    a8-. e-. a-. c-. a-. c-. |
    e8\sf( c) f-. e-. c-. a-. |
    b8\sf( gis) c-. b-. gis-. e-. |
    a8-. e-. c'-. b-. r e,-. |
    a8-. e-. a-. c-. a-. c-. |
    e8\sf( c) f-. e-. c-. a-. |
    b8\sf( gis) c-. b-. gis-. e-. |
    a8-. e-. gis-. a-. r
  }
  r8 |
  <c, f a>8-. r r <c f a>-. r r |
  <f a>4 <f a>8 <f a> r r |
  <e g c>4 <e g c>8 <e g c> r r |
  <f a c>8-. a-. f-. <e g>-. r r |
  <c f a>8-. r r <c f a>-. r r |
  <f a>4 <f a>8 <f a> r r |
  <e g c>4 <e g c>8 <e g c> r r |
  <c f a>8-. r <c g'>-. f-. r \bar "||" e-.\mf |
  a8-. e-. a-. c-. a-. c-. |
  e8\sf( c) f-. e-. c-. a-. |
  b8\sf( gis) c-. b-. gis-. e-. |
  a8-. e-. c'-. b-. r e,-. |
  a8-. e-. a-. c-. a-. c-. |
  e8\sf( c) f-. e-. c-. a-. |
  b8\sf( gis) c-. b-. gis-. e-. |
  a8-. e-. gis-. a-. r
  \bar "|."
}

left = \relative c' {
  \clef bass
  \repeat volta 2 {
    r8 |
    <a c>8-. r r <a c e>-. r r |
    <a c e>4 <a d f>8 <a c e> r r |
    <e gis b>4 <e a c>8 <e gis b> r r |
    <a c>8-. r <a c>-. <e gis b>-. r r |
    <a c>8-. r r <a c e>-. r r |
    <a c e>4 <a d f>8 <a c e> r r |
    <e gis b>4 <e a c>8 <e gis b> r r |
    <a c>8-. r <e b'>-. <a c>-. r
  }
  c,8-.^\f |
  f8-. c-. f-. a-. f-. a-. |
  c8^\sf( a) d-. c-. a-. f-. |
  g8^\sf( e) a-. g-. e-. c-. |
  f8-. c-. a'-. <c, g'>-. r c-. |
  f8-. c-. f-. a-. f-. a-. |
  c8^\sf( a) d-. c-. a-. f-. |
  g8^\sf( e) a-. g-. e-. c-. |
  f8-. c-. e-. f-. r r |
  <a c>8-. r r <a c e>-. r r |
  <a c e>4 <a d f>8 <a c e> r r |
  <e gis b>4 <e a c>8 <e gis b> r r |
  <a c>8-. r <a c>-. <e gis b>-. r r |
  <a c>8-. r r <a c e>-. r r |
  <a c e>4 <a d f>8 <a c e> r r |
  <e gis b>4 <e a c>8 <e gis b> r r |
  <a c>8-. r <e b'>-. <a c>-. r
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
