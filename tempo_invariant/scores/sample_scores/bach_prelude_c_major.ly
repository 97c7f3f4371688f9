\version "2.24.0"

\header {
  title = "Prelude in C major"
  subtitle = "from the Well-Tempered Clavier, Book I"
  composer = "Johann Sebastian Bach (1685–1750)"
  opus = "BWV 846"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key c \major
  \time 4/4
  \tempo 4 = 66
}

right = {
  \clef treble
  r8 g'16 c'' e'' g' c'' e'' r8 g'16 c'' e'' g' c'' e'' |
  r8 a'16 d'' f'' a' d'' f'' r8 a'16 d'' f'' a' d'' f'' |
  r8 g'16 d'' f'' g' d'' f'' r8 g'16 d'' f'' g' d'' f'' |
  r8 g'16 c'' e'' g' c'' e'' r8 g'16 c'' e'' g' c'' e'' |
  r8 a'16 e'' a'' a' e'' a'' r8 a'16 e'' a'' a' e'' a'' |
  r8 fis'16 a' d'' fis' a' d'' r8 fis'16 a' d'' fis' a' d'' |
  r8 g'16 d'' g'' g' d'' g'' r8 g'16 d'' g'' g' d'' g'' |
  r8 e'16 g' c'' e' g' c'' r8 e'16 g' c'' e' g' c'' |
  r8 e'16 g' c'' e' g' c'' r8 e'16 g' c'' e' g' c'' |
  r8 d'16 fis' c'' d' fis' c'' r8 d'16 fis' c'' d' fis' c'' |
  r8 d'16 g' b' d' g' b' r8 d'16 g' b' d' g' b' |
  r8 e'16 g' cis'' e' g' cis'' r8 e'16 g' cis'' e' g' cis'' |
  r8 d'16 a' d'' d' a' d'' r8 d'16 a' d'' d' a' d'' |
  r8 d'16 f' b' d' f' b' r8 d'16 f' b' d' f' b' |
  r8 c'16 g' c'' c' g' c'' r8 c'16 g' c'' c' g' c'' |
  r8 a16 c' f' a c' f' r8 a16 c' f' a c' f' |
  r8 a16 c' f' a c' f' r8 a16 c' f' a c' f' |
  r8 g16 b f' g b f' r8 g16 b f' g b f' |
  r8 g16 c' e' g c' e' r8 g16 c' e' g c' e' |
  r8 bes16 c' e' bes c' e' r8 bes16 c' e' bes c' e' |
  r8 a16 c' e' a c' e' r8 a16 c' e' a c' e' |
  r8 a16 c' es' a c' es' r8 a16 c' es' a c' es' |
  r8 b16 c' d' b c' d' r8 b16 c' d' b c' d' |
  r8 g16 b d' g b d' r8 g16 b d' g b d' |
  r8 g16 c' e' g c' e' r8 g16 c' e' g c' e' |
  r8 g16 c' f' g c' f' r8 g16 c' f' g c' f' |
  r8 g16 b f' g b f' r8 g16 b f' g b f' |
  r8 a16 c' fis' a c' fis' r8 a16 c' fis' a c' fis' |
  r8 g16 c' g' g c' g' r8 g16 c' g' g c' g' |
  r8 g16 c' f' g c' f' r8 g16 c' f' g c' f' |
  r8 g16 b f' g b f' r8 g16 b f' g b f' |
  r8 g16 bes e' g bes e' r8 g16 bes e' g bes e' |
  r8 f16 a c' f' c' a c' a f a f d f d |
  r8 g'16 b' d'' f'' d'' b' d'' b' g' b' d' f' e' d' |
  <e' g' c''>1\arpeggio\fermata |
  \bar "|."
}

tenor = {
  r16 e'8.~ e'4 r16 e'8.~ e'4 |
  r16 d'8.~ d'4 r16 d'8.~ d'4 |
  r16 d'8.~ d'4 r16 d'8.~ d'4 |
  r16 e'8.~ e'4 r16 e'8.~ e'4 |
  r16 e'8.~ e'4 r16 e'8.~ e'4 |
  r16 d'8.~ d'4 r16 d'8.~ d'4 |
  r16 d'8.~ d'4 r16 d'8.~ d'4 |
  r16 c'8.~ c'4 r16 c'8.~ c'4 |
  r16 c'8.~ c'4 r16 c'8.~ c'4 |
  r16 a8.~ a4 r16 a8.~ a4 |
  r16 b8.~ b4 r16 b8.~ b4 |
  r16 bes8.~ bes4 r16 bes8.~ bes4 |
  r16 a8.~ a4 r16 a8.~ a4 |
  r16 as8.~ as4 r16 as8.~ as4 |
  r16 g8.~ g4 r16 g8.~ g4 |
  r16 f8.~ f4 r16 f8.~ f4 |
  r16 f8.~ f4 r16 f8.~ f4 |
  r16 d8.~ d4 r16 d8.~ d4 |
  r16 e8.~ e4 r16 e8.~ e4 |
  r16 g8.~ g4 r16 g8.~ g4 |
  r16 f8.~ f4 r16 f8.~ f4 |
  r16 c8.~ c4 r16 c8.~ c4 |
  r16 f8.~ f4 r16 f8.~ f4 |
  r16 f8.~ f4 r16 f8.~ f4 |
  r16 e8.~ e4 r16 e8.~ e4 |
  r16 d8.~ d4 r16 d8.~ d4 |
  r16 d8.~ d4 r16 d8.~ d4 |
  r16 es8.~ es4 r16 es8.~ es4 |
  r16 e8.~ e4 r16 e8.~ e4 |
  r16 d8.~ d4 r16 d8.~ d4 |
  r16 d8.~ d4 r16 d8.~ d4 |
  r16 c8.~ c4 r16 c8.~ c4 |
  r16 c8.~ c4~ c2 |
  r16 b,8.~ b,4~ b,2 |
  c1\arpeggio |
}

bass = {
  \clef bass
  c'2 c' |
  c'2 c' |
  b2 b |
  c'2 c' |
  c'2 c' |
  c'2 c' |
  b2 b |
  b2 b |
  a2 a |
  d2 d |
  g2 g |
  g2 g |
  f2 f |
  f2 f |
  e2 e |
  e2 e |
  d2 d |
  g,2 g, |
  c2 c |
  c2 c |
  f,2 f, |
  fis,2 fis, |
  as,2 as, |
  g,2 g, |
  g,2 g, |
  g,2 g, |
  g,2 g, |
  g,2 g, |
  g,2 g, |
  g,2 g, |
  g,2 g, |
  c,2 c, |
  c,1 |
  c,1 |
  c,1\arpeggio\fermata |
  \bar "|."
}

\score {
  \new PianoStaff \with { connectArpeggios = ##t } <<
    \new Staff = "right" { \global \right }
    \new Staff = "left" << \global \tenor \\ \bass >>
  >>
  \layout { }
  \midi { }
}
