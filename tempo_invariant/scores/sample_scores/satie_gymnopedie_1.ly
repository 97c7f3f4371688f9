\version "2.24.0"

\header {
  title = "Gymnopédie No. 1"
  composer = "Erik Satie (1866–1925)"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key d \major
  \time 3/4
  \tempo "Lent et douloureux" 4 = 72
}

melody = \relative c'' {
  \clef treble
  \voiceOne
  \repeat volta 2 {
    s2. |
    s2. |
    s2. |
    s2. |
    s4 fis( a |
    g4 fis cis |
    b4 cis d |
    a2.) |
    fis2.~ |
    fis2.~ |
    fis2.~ |
    fis2. |
    s4 fis'( a |
    g4 fis cis |
    b4 cis d |
    a2.) |
    cis2.( |
    fis2.) |
    \oneVoice
    e,2.~ |
    e2.~ |
    e2. |
    a4( b c |
    e4 d b |
    d4 c b |
    d2.~ |
    d2) d4( |
    e4 f g |
    a4 c, d |
    e4 d b |
    d2.~ |
    d2) d4 |
    \voiceOne
  }
  \alternative {
    {
      g2.( |
      fis2.) |
      b,4( a b |
      cis4 d e |
      cis4 d e |
      fis,2.) |
      \oneVoice
      <c e a c>2.( |
      <d fis a d>2.) |
    }
    {
      \voiceOne
      g'2.( |
      f2.) |
      b,4( c f |
      e4 d c |
      e4 d c |
      f,2.) |
      \oneVoice
      <c e a c>2.( |
      <d f a d>2.) |
    }
  }
  \bar "|."
}

harmony = \relative c' {
  \voiceTwo
  \repeat volta 2 {
    r4 <b d fis>2\pp |
    r4 <a cis fis>2 |
    r4 <b d fis>2 |
    r4 <a cis fis>2 |
    r4 <b d fis>2 |
    r4 <a cis fis>2 |
    r4 <b d fis>2 |
    r4 <a cis fis>2 |
    r4 <b d fis>2 |
    r4 <a cis fis>2 |
    r4 <b d fis>2 |
    r4 <a cis fis>2 |
    r4 <b d fis>2 |
    r4 <a cis fis>2 |
    r4 <b d fis>2 |
    r4 <a cis fis>2 |
    r4 <a cis fis>2 |
    r4 <b d fis>2 |
    s2.*13 |
  }
  \alternative {
    {
      r4 <b e g>2 |
      r4 <a cis fis>2 |
      r4 <b d fis>2 |
      r4 <cis e a>2 |
      r4 <a cis fis a>2 |
      r4 <a d>4 <b d g> |
      s2.*2 |
    }
    {
      r4 <b e g>2 |
      r4 <a d f a>2 |
      r4 <a c f>2 |
      r4 <c e a>2 |
      r4 <a c f a>2 |
      r4 <a d>4 <b d g> |
      s2.*2 |
    }
  }
}

left = \relative c {
  \clef bass
  \repeat volta 2 {
    g2. |
    d2. |
    g2. |
    d2. |
    g2. |
    d2. |
    g2. |
    d2. |
    g2. |
    d2. |
    g2. |
    d2. |
    g2. |
    d2. |
    g2. |
    d2. |
    fis2. |
    b,2. |
    << { r4 <g'' b>2 } \\ { e,2. } >> |
    << { r4 <b'' d g>2 } \\ { e,,2. } >> |
    << { r4 <f' a d>2 } \\ { d,2. } >> |
    << { r4 <a'' c e>2 } \\ { a,,2. } >> |
    << { r4 <g'' b e>2 } \\ { d,2. } >> |
    << { r4 <d' g b e>2 } \\ { d,2. } >> |
    << { r4 <c' e a d>2 } \\ { d,2. } >> |
    << { r4 <c' fis a d>2 } \\ { d,2. } >> |
    << { r4 <a'' c f>2 } \\ { d,,2. } >> |
    << { r4 <a'' c e>2 } \\ { d,,2. } >> |
    << { r4 <d' g b e>2 } \\ { d,2. } >> |
    << { r4 <c' e a d>2 } \\ { d,2. } >> |
    << { r4 <c' fis a d>2 } \\ { d,2. } >> |
  }
  \alternative {
    {
      e2. |
      fis2. |
      b,2. |
      e2. |
      e2. |
      << { r4 b' e } \\ { e,2. } >> |
      <a g'>2. |
      <d, a' d>2. |
    }
    {
      e2. |
      e2. |
      e2. |
      e2. |
      e2. |
      << { r4 b' e } \\ { e,2. } >> |
      <a g'>2. |
      <d, a' d>2. |
    }
  }
  \bar "|."
}

\score {
  \new PianoStaff <<
    \new Staff = "right" <<
      \global
      \new Voice \melody
      \new Voice \harmony
    >>
    \new Staff = "left" { \global \left }
  >>
  \layout { }
  \midi { }
}
