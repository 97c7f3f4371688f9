\version "2.24.0"

\header {
  title = "Für Elise"
  subtitle = "Bagatelle in A minor: theme"
  composer = "Ludwig van Beethoven (1770–1827)"
  opus = "WoO 59"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key a \minor
  \time 3/8
  \tempo "Poco moto" 8 = 126
}

right = \relative e'' {
  \clef treble
  \partial 8
  \repeat volta 2 {
    e16\pp dis |
    e16 dis e b d c |
    a8 r16 c, e a |
    b8 r16 e, gis b |
    c8 r16 e, e' dis |
    e16 dis e b d c |
    a8 r16 c, e a |
    b8 r16 e, c' b |
  }
  \alternative {
    { \partial 4 a8 r | }
    { a8 r16 b c d | }
  }
  \repeat volta 2 {
    e8. g,16 f' e |
    d8. f,16 e' d |
    c8. e,16 d' c |
    b8 r16 e, e' r |
    r16 e e' r r dis, |
    e8 r16 dis e dis |
    e16 dis e b d c |
    a8 r16 c, e a |
    b8 r16 e, gis b |
    c8 r16 e, e' dis |
    e16 dis e b d c |
    a8 r16 c, e a |
    b8 r16 e, c' b |
  }
  \alternative {
    { a8 r16 b c d | }
    { a8 r r | }
  }
  \bar "|."
}

left = \relative a, {
  \clef bass
  \partial 8
  \repeat volta 2 {
    r8 |
    R4. |
    a16 e' a r r8 |
    e,16 e' gis r r8 |
    a,16 e' a r r8 |
    R4. |
    a,16 e' a r r8 |
    e,16 e' gis r r8 |
  }
  \alternative {
    { \partial 4 a,16 e' a r | }
    { a,16 e' a r r8 | }
  }
  \repeat volta 2 {
    c,16 g' c r r8 |
    g,16 g' b r r8 |
    a,16 e' a r r8 |
    e,16 e' e' r r \clef treble e |
    e'16 r r dis e r |
    r16 dis e r r8 |
    R4. |
    \clef bass
    a,,,16 e' a r r8 |
    e,16 e' gis r r8 |
    a,16 e' a r r8 |
    R4. |
    a,16 e' a r r8 |
    e,16 e' gis r r8 |
  }
  \alternative {
    { a,16 e' a r r8 | }
    { a,16 e' a r r8 | }
  }
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
