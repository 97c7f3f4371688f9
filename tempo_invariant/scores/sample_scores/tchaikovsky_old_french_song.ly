\version "2.24.0"

\header {
  title = "Old French Song"
  subtitle = "from the Children's Album"
  composer = "Pyotr Ilyich Tchaikovsky (1840–1893)"
  opus = "Op. 39, No. 16"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key g \minor
  \time 2/4
  \tempo "Molto moderato" 4 = 72
  \partial 8
}

refrainSoprano = \relative g' {
  g8 a bes c |
  d4.) d8( |
  c8 d es c |
  d4.) d8( |
  c8 d es c |
  d8 es16 d c8 bes |
}

refrainTenor = \relative bes {
  bes8 c d c |
  bes2 |
  es4 c |
  bes4 g |
  es'4 c |
  bes4 g |
}

refrainBass = \relative g {
  g2~ |
  g4 g~ |
  g2~ |
  g4 g~ |
  g2~ |
  g4 g |
}

right = {
  \clef treble
  d'8\p( |
  \refrainSoprano
  a'4.. g'16 |
  g'4.) d'8\pp( |
  \refrainSoprano
  a'4.. g'16 |
  g'2) |
  g'4\p( g'8 a' |
  bes'4.) bes'8( |
  c''4) c''( |
  a'4.) a'8\<( |
  d''4. d''8\! |
  es''8\mf f''16 es'' d''8 c'' |
  bes'4 a'8 g' |
  <fis' a'>4.) d'8\p( |
  \refrainSoprano
  <<
    {
      \voiceOne
      a'4.. g'16 |
      g'2)
    }
    \new Voice {
      \voiceTwo
      es'4 d' |
      bes2
    }
  >> |
  \bar "|."
}

left = {
  \clef bass
  r8 |
  << { \refrainTenor c'2 | bes4 s } \\ { \refrainBass fis4 d | g4 g, } >> |
  << { \refrainTenor c'2 | bes2 } \\ { \refrainBass fis4 d | g2 } >> |
  c8-. g-. c'-. es'-. |
  g,8-. g-. c'-. es'-. |
  c8-. g-. c'-. es'-. |
  d8-. a-. c'-. fis'-. |
  <g bes>8( d' g') r |
  <c' es' g'>2( |
  <d' g'>4) r |
  d'4( d) |
  << \refrainTenor \\ \refrainBass >>
  <c g>4( <d fis> |
  <g, d>2) |
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
