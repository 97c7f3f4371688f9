\version "2.24.0"

\header {
  title = "Prelude in A major"
  composer = "Frédéric Chopin (1810–1849)"
  opus = "Op. 28, No. 7"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key a \major
  \time 3/4
  \tempo "Andantino" 4 = 80
  \partial 4
}

right = {
  \clef treble
  \slurUp
  e'4\p( |
  cis''8. d''16 <d' gis' b'>4 <d' gis' b'> |
  <d' gis' b'>2) <d'' fis''>4( |
  <bis' dis''>8. <cis'' e''>16 <cis'' a''>4 <cis'' a''> |
  <cis'' a''>2) <e' cis''>4( |
  <<
    {
      \voiceOne
      <cis' ais'>8. b'16 <fis' d''>4 <fis' d''> |
      <fis' d''>2)
    }
    \new Voice {
      \voiceTwo
      s8. d'16~ d'2~ |
      d'2
    }
  >>
  \oneVoice \slurUp <d' gis'>4( |
  <d' gis'>8. <cis' a'>16 <cis' cis''>4 <cis' cis''> |
  <cis' cis''>2) e'4~( |
  <<
    { \voiceTwo <e' gis'>4 }
    \new Voice { \voiceOne cis''8. d''16 }
  >>
  \oneVoice <d' gis' b'>4 <d' gis' b'> |
  <d' gis' b'>2) <d'' fis''>4( |
  <<
    { \voiceOne s4 <a'' cis'''> <a'' cis'''> }
    \new Voice { \voiceTwo <bis' dis''>8. <cis'' e''>16~ <cis'' e''>2 }
  >> |
  \oneVoice \slurUp <ais' cis'' e'' ais'' cis'''>2)\arpeggio <ais' cis''>4( |
  <ais' cis''>8. <b' d''>16 <b' fis''>4 <a' fis''> |
  <gis' fis''>2) <d' gis'>4( |
  <d' b'>8. <cis' a'>16
  <<
    {
      \voiceOne
      <cis'' a''>4 <cis'' a''> |
      <cis'' a''>2)
    }
    \new Voice {
      \voiceTwo
      \acciaccatura a'8 a'2~ |
      a'2
    }
  >>
  \oneVoice r4 |
  \bar "|."
}

left = {
  \clef bass
  r4 |
  e,4\sustainOn <e e'> <e e'> |
  <e e'>2 r4\sustainOff |
  a,4\sustainOn <a e'> <a e'> |
  <a e'>2 r4\sustainOff |
  e,4\sustainOn <e b> <e b> |
  <e b>2 r4\sustainOff |
  a,,4\sustainOn <e a e'> <e a e'> |
  <e a e'>2 r4\sustainOff |
  e,4\sustainOn <e e'> <e e'> |
  <e e'>2 r4\sustainOff |
  a,4\sustainOn <a e' a'> <a e' a'>\sustainOff |
  <fis cis' e' fis'>2\sustainOn r4\sustainOff |
  b,,4\sustainOn <fis d'> <fis b d'>\sustainOff |
  <e b d'>2\sustainOn r4\sustainOff |
  a,,4\sustainOn <e a e'> <a e'> |
  <a e'>2 r4\sustainOff |
  \bar "|."
}

\score {
  \new PianoStaff <<
    \new Staff = "right" { \global \right }
    \new Staff = "left" { \global \left }
  >>
  \layout {
    \context {
      \Score
      \override SpacingSpanner.base-shortest-duration = #(ly:make-moment 1/16)
    }
  }
  \midi { }
}
