\version "2.24.0"

\header {
  title = "Melody"
  subtitle = "from the Album for the Young"
  composer = "Robert Schumann (1810–1856)"
  opus = "Op. 68, No. 1"
  license = "Public Domain (CC0)"
  tagline = ##f
}

global = {
  \key c \major
  \time 4/4
  \tempo 4 = 92
}

right = \relative c'' {
  \clef treble
  \repeat volta 2 {
    e4\p( d c b |
    a8 c b d c4 g) |
    g'4( f e c |
    b4 <fis a> g) r |
  }
  d'4( c b) r |
  f'4( e d) r |
  a'4( g f e |
  d8 f e g
  <<
    { \voiceOne f4. d8) }
    \new Voice { \voiceTwo a8 c b d }
  >> |
  \oneVoice <c e>4( d c b |
  a8 c b d c4 g) |
  a'4( g <b, f'> <c e> |
  d8 f b, d c4) r |
  d4( c b) r |
  f'4( e d) r |
  a'4( g f e |
  d8 f e g
  <<
    { \voiceOne f4. d8) }
    \new Voice { \voiceTwo a8 c b d }
  >> |
  \oneVoice <c e>4( d c b |
  a8 c b d c4 g) |
  a'4( g <b, f'> <c e> |
  d8 f b, d c4) r |
  \bar "|."
}

left = \relative c' {
  \clef treble
  \repeat volta 2 {
    c8( g' f g e g c, e |
    f8 d g f e f e d) |
    e8( g d g c, g' e g |
    d8 g c, d b d g,4) |
  }
  f'8( g e g d g fis g) |
  d8( g c, g' b, g' fis g) |
  f8( g e g d g c, g' |
  b,8 g' c, cis d4 g) |
  c,8( g' f g e g c, e |
  f8 d g f e f e c) |
  f8( c' e, c' d, g c, g' |
  f8 a g f e g c, e) |
  f8( g e g d g fis g) |
  d8( g c, g' b, g' fis g) |
  f8( g e g d g c, g' |
  b,8 g' c, cis d4 g) |
  c,8( g' f g e g c, e |
  f8 d g f e f e c) |
  f8( c' e, c' d, g c, g' |
  f8 a g f e g c,4) |
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
