\version "2.24.0"

\header {
  title = "Theme from the Sonata in A major"
  composer = "Wolfgang Amadeus Mozart (1756–1791)"
  opus = "K. 331"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key a \major
  \time 6/8
  \tempo "Andante grazioso" 8 = 126
}

right = \relative c'' {
  \clef treble
  \repeat volta 2 {
    cis8.\p( d16 cis8) e4 e8 |
    b8.( cis16 b8) d4 d8 |
    a4 a8 b4 b8 |
    cis4 << { e16( d) cis4( b8) } \\ { b8 a4( gis8) } >> |
    cis8.( d16 cis8) e4 e8 |
    b8.( cis16 b8) d4 d8 |
    a4( b8 cis4) <fis, b d>8\sf |
    <e a cis>4\p <d e gis b>8 <cis e a>4 r8 |
  }
  \repeat volta 2 {
    e'8.( fis16 e8) fis4 fis8 |
    \grace { fis16 gis } a8.( gis16 fis8) fis( e) e-. |
    e8\sf( cis) a-. e'\sf( d) b-. |
    e8\sf( cis) a-. << { cis4( b8) } \\ { a4( gis8) } >> |
    cis8.\p( d16 cis8) e4 e8 |
    b8.( cis16 b8) d4 d8 |
    a4( b8 cis4) <fis, b d>8\sf |
    <e a cis>4\p <e gis b>8 << { <gis b>4( <a cis>8) } \\ { e4. } >> |
    <e a cis>4\f <e gis d'>8 <e a e'>4 fis'16( gis32 a) |
    a,4 << { cis16( b) } \\ { gis8 } >> a4 r8 |
  }
}

left = \relative a {
  \clef bass
  \repeat volta 2 {
    << { e'4 e8 e4 e8 } \\ { a,8.( b16 a8) cis4 cis8 } >> |
    << { e4 e8 e4 e8 } \\ { gis,8.( a16 gis8) b4 b8 } >> |
    << { e4 e8 e4 e8 } \\ { fis,4 fis8 gis4 gis8 } >> |
    << { e'4 s8 s4. } \\ { a,4 d,8 e4. } >> |
    << { e'4 e8 e4 e8 } \\ { a,8.( b16 a8) cis4 cis8 } >> |
    << { e4 e8 e4 e8 } \\ { gis,8.( a16 gis8) b4 b8 } >> |
    << { e4 e8 e4 s8 } \\ { fis,4( gis8 a4) d,8 } >> |
    e4 e,8 a4 r8 |
  }
  \repeat volta 2 {
    a'8( cis e) a,( d fis) |
    a,8( d fis) a,( cis e) |
    <a, cis>4 r8 <gis d'>4 r8 |
    <a cis>4 <fis dis'>8 <e e'>4. |
    << { e'4 e8 e4 e8 } \\ { a,8.( b16 a8) cis4 cis8 } >> |
    << { e4 e8 e4 e8 } \\ { gis,8.( a16 gis8) b4 b8 } >> |
    << { e4 e8 e4 s8 } \\ { fis,4( gis8 a4) d,8 } >> |
    e4 e,8 a4. |
    <a a'>4 <b b'>8 <cis cis'>4 <d d'>8 |
    <e cis'>4 <e d'>8 <a cis>4 r8 |
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
