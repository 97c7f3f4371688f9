\version "2.24.0"

\header {
  title = "March of the Wooden Soldiers"
  subtitle = "from the Children's Album"
  composer = "Pyotr Ilyich Tchaikovsky (1840–1893)"
  opus = "Op. 39, No. 5"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key d \major
  \time 2/4
  \tempo "Moderato" 4 = 108
}

right = \relative d'' {
  \clef treble
  <a d>8\pp r d r |
  b8.( ais16 b8) r16 cis( |
  <a d>8) r d r |
  b8.( ais16 b8) r16 cis( |
  <a d>8) r <cis e> r |
  fis8 r <d fis> r |
  <e g>8 r16 <d fis>( <cis e>8) r16 <b d>( |
  <cis e>8) r r4 |
  <a d>8 r d r |
  b8.( ais16 b8) r16 cis( |
  <a d>8) r d r |
  b8.( ais16 b8) r16 cis( |
  <a d>8) r <cis e> r |
  fis8 r <d fis> r |
  <cis e>8 r16 <b d>( <a cis>8) r16 <gis b>( |
  a8) r r4 |
  <e a>8\p r a r |
  bes8.( a16 bes8) r16 gis( |
  a8) r a r |
  bes8.( a16 bes8) r16 gis( |
  a8) r b r |
  <gis cis>8 r <a cis> r |
  <b d>8 r16 cis( b8) r16 a( |
  gis8) r r4 |
  <e a>8 r a r |
  bes8.( a16 bes8) r16 gis( |
  a8) r a r |
  bes8.( a16 bes8) r16 gis( |
  a8) r b r |
  <gis cis>8 r <a cis> r |
  <b d>8 r16 cis( b8) r16 cis( |
  a8) r r4 |
  <a d>8\pp r d r |
  b8.( ais16 b8) r16 cis( |
  <a d>8) r d r |
  b8.( ais16 b8) r16 cis( |
  <a d>8) r <cis e> r |
  fis8 r <d fis> r |
  <e g>8 r16 <d fis>( <cis e>8) r16 <b d>( |
  <cis e>8) r r4 |
  <a d>8 r d r |
  b8.( ais16 b8) r16 cis( |
  d8) r d r |
  b8.( ais16 b8) r16 cis( |
  <a d>8) r <cis e> r |
  fis8 r <d fis> r |
  e8 r16 dis( e8) r16 fis( |
  d8) r r4 |
  \bar "|."
}

left = \relative d' {
  \clef treble
  <d fis>8 r r4 |
  <d g>8.( fis16 g8) r16 e( |
  <d fis>8) r r4 |
  <d g>8.( fis16 g8) r16 e( |
  <d fis>8) r a' r |
  d8 r r4 |
  <d, a'>8 r r4 |
  a'8-. a16-. a-. a8-. a-. |
  <d, fis>8 r r4 |
  <d g>8.( fis16 g8) r16 e( |
  <d fis>8) r r4 |
  <d g>8.( fis16 g8) r16 e( |
  <d fis>8) r a' r |
  d8 r d, r |
  e2( |
  a,8-.) a16-. a-. a8-. a-. |
  <a cis>8 r r4 |
  <a d f>2( |
  <a cis e>8) r r4 |
  <a d f>2( |
  <a cis e>8) r <e' gis> r |
  <cis eis>8 r fis r |
  <b, fis'>8 r r4 |
  e8 r16 d( cis8) r16 b( |
  <a cis>8) r r4 |
  <a d f>2( |
  <a cis e>8) r r4 |
  <a d f>2( |
  <a cis e>8) r <e' gis> r |
  <cis eis>8 r fis r |
  <b, fis'>8 r <e gis> r |
  a,8 r16 a( b8) r16 cis( |
  <d fis>8) r r4 |
  <d g>8.( fis16 g8) r16 e( |
  <d fis>8) r r4 |
  <d g>8.( fis16 g8) r16 e( |
  <d fis>8) r a' r |
  d8 r r4 |
  <d, a'>8 r r4 |
  a'8-. a16-. a-. a8-. a-. |
  <d, fis>8 r r4 |
  <d g>8.( fis16 g8) r16 e( |
  <d fis>8) r r4 |
  <d g>8.( fis16 g8) r16 e( |
  <d fis>8) r a' r |
  d8 r b r |
  <g b>8 r <a cis> r |
  d,8 r r4 |
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
