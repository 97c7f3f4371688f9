\version "2.24.0"

\header {
  title = "Musette in D major"
  subtitle = "from the Notebook for Anna Magdalena Bach"
  composer = "Anonymous (before 1745)"
  opus = "BWV Anh. 126"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key d \major
  \time 2/4
  \tempo 4 = 88
}

right = \relative d'' {
  \clef treble
  a'4 g16 fis e d |
  a'4 g16 fis e d |
  fis,16 g a8 g fis |
  e8 a fis d |
  a''4 g16 fis e d |
  a'4 g16 fis e d |
  fis,16 g a8 g fis |
  e8 a d,4\fermata^\markup \italic "Fine" |
  \bar "||"
  cis'16 d e8 cis16 d e8 |
  a8 e e4 |
  a8 e a e |
  d16 cis b a b8 e, |
  e'8 dis e, d'~ |
  d8 cis a' gis |
  e8 dis e, d'~ |
  d8 cis a' gis |
  e16 dis cis dis e dis cis dis |
  e8 gis, a d |
  cis16 d e8 a, d, |
  cis16 d e8 a,4 |
  \bar "|."
}

left = \relative d, {
  \clef bass
  d8 d' d, d' |
  d,8 d' d, d' |
  fis16 g a8 g fis |
  e8 a fis d |
  d,8 d' d, d' |
  d,8 d' d, d' |
  fis16 g a8 g fis |
  e8 a d,4\fermata |
  a8 a' a, a' |
  a,8 a' a, a' |
  a,8 a' a, a' |
  a,8 a' e, e' |
  e,8 e' e, e' |
  e,8 e' e, e' |
  e,8 e' e, e' |
  e,8 e' e, e' |
  e,8 e' e, e' |
  e,8 d' cis d |
  e4 a,8 d |
  cis16 d e8 a,4-\tweak self-alignment-X #RIGHT _\markup \italic "D.C. al Fine" |
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
