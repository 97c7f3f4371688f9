\version "2.24.0"

\header {
  title = "Arabesque"
  composer = "Friedrich Burgmüller (1806–1874)"
  opus = "Op. 100, No. 2"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key a \minor
  \time 2/4
  \tempo "Allegro scherzando" 4 = 138
}

right = \relative a' {
  \clef treble
  R2 |
  R2 |
  \repeat volta 2 {
    a16\p^\markup \italic "leggiero" ( b c b a8-.) r |
    a16( b c d e8-.) r |
    d16\<( e f g a8-.) r |
    a16( b c d e8-.\!) r |
    r8 e,-. e( f |
    d8-.) r d4->~ |
    d8 g( d e |
  }
  \alternative {
    { c8-.) r e4\sf | }
    { c4 c'8-. r | }
  }
  \repeat volta 2 {
    e,4.\f( b8 |
    c4.) a8( |
    e'4. b8 |
    c4.) a8( |
    a'4.-> e8 |
    f4. e8) |
    d8_\markup \italic "dim. e poco rall." ( c b a |
    gis4) e' |
    a,16\p^\markup \italic "a tempo" ( b c b a8-.) r |
    a16( b c d e8-.) r |
    d16\<( e f g a8-.) r |
    a16( b c d e8-.\!) r |
    r8 b,-._\markup \italic "dolce" b( c |
    a4) e'~ |
    e8 b-. b( c |
  }
  \alternative {
    { a2) | }
    { a16( b c b a8-.) r | }
  }
  d16\<( e f g a8-.) r |
  a16( b c b a8-.) r |
  d16( e f g a8-.\!) r |
  e,,16\f^\markup \italic "risoluto" ( d c b a8-.) r |
  <c' a'>2\sf\fermata |
  \bar "|."
}

left = \relative a {
  \clef bass
  <a c e>4-.^\p <a c e>-. |
  <a c e>4-. <a c e>-. |
  \repeat volta 2 {
    <a c e>4-. <a c e>-. |
    <a c e>4-. <a c e>-. |
    <a d f>4-. <a d f>-. |
    <a c e>4-. <a c e>-. |
    <g c e>4-. <g c e>-. |
    <g b f'>4-. <g b f'>-. |
    <g b f'>4-. <g b f'>-. |
  }
  \alternative {
    { <c e>8 r e4 | }
    { <c e>4. r8 | }
  }
  \repeat volta 2 {
    gis16( a b a gis8-.) r |
    a16( b c d e8-.) r |
    gis,16( a b a gis8-.) r |
    a16( b c d e8-.) r |
    cis16( d e d cis8-.) r |
    \clef treble
    d16( e f g a8-.) g( |
    f8 e d dis |
    e8 d c b) |
    \clef bass
    <a c e>4-. <a c e>-. |
    <a c e>4-. <a c e>-. |
    <a d f>4-. <a d f>-. |
    <a c e>4-. <a c e>-. |
    <a d e>4-. <a d e>-. |
    <a c e>4-. <a c e>-. |
    <a d e>4-. <a d e>-. |
  }
  \alternative {
    { <a c e>4-. <a c e>-. | }
    { <a c e>4-. <a c e>-. | }
  }
  <a d f>4-. <a d f>-. |
  <a c e>4-. <a c e>-. |
  <a d f>4-. <a d f>-. |
  e16( d c b a8-.) r |
  <a' e'>2\fermata |
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
