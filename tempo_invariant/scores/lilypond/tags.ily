%% Read by LilyPond before every score (-dinclude-settings): names the drawn note heads, staves and
%% bar lines.
%%
%% Every note head, every staff line group and every bar line becomes, in the SVG page, a <g> element
%% with data-* attributes: for a head its score (counted from 0), system, musical time (main and grace
%% part and length, in whole notes), MIDI pitch, bar, and whether a tie ends on it; for a staff its
%% score and system; for a bar line its score, system and the bar that begins there. Bars have the
%% numbers that LilyPond prints; what comes before the first whole bar is in bar 0. The tempo marks go
%% to the file "tempo.tsv": score, time, whole notes a minute.
\version "2.24.0"

%% Functions that old sources call and convert-ly leaves; they only changed the grouping of beams.
#(define-public (override-auto-beam-setting . arguments) (make-music 'SequentialMusic))
#(define-public (revert-auto-beam-setting . arguments) (make-music 'SequentialMusic))


%% It took the music alone before it took the kinds of repeats.
#(define tags:unfold-repeats unfold-repeats)
#(define-public (unfold-repeats . arguments)
   (apply tags:unfold-repeats (if (null? (cdr arguments)) (cons '() arguments) arguments)))

#(define tags:scores 0)
#(define tags:systems (make-hash-table))
#(define tags:tempo-file (open-output-file "tempo.tsv"))

#(define (tags:system-number grob)
   (let* ((system (ly:grob-system grob))
          (known (hashq-ref tags:systems system)))
     (or known
         (let ((number (hash-count (const #t) tags:systems)))
           (hashq-set! tags:systems system number)
           number))))

#(define (tags:attributes . pairs)
   (let loop ((rest pairs))
     (if (null? rest)
         '()
         (acons (string->symbol (string-append "data-" (car rest)))
                (format #f "~a" (cadr rest))
                (loop (cddr rest))))))

#(define (tags:bar context)
   (let ((number (ly:context-property context 'currentBarNumber 1))
         (position (ly:context-property context 'measurePosition)))
     (if (and (ly:moment? position) (negative? (ly:moment-main position)))
         (1- number)
         number)))

#(define (tags:head-attributes score when bar event ties)
   (lambda (grob)
     (let ((pitch (ly:event-property event 'pitch))
           (duration (ly:event-property event 'duration)))
       (if (ly:pitch? pitch)
           (tags:attributes
            "kind" "head"
            "score" score
            "system" (tags:system-number grob)
            "moment" (ly:moment-main when)
            "grace" (ly:moment-grace when)
            "length" (if (ly:duration? duration)
                         (ly:moment-main (ly:duration-length duration))
                         0)
            "pitch" (+ 60 (ly:pitch-semitones pitch))
            "bar" bar
            "tied" (if (any (lambda (tie) (eq? grob (ly:spanner-bound tie RIGHT))) (ties)) 1 0))
           '()))))

#(define (tags:engraver context)
   (let ((score tags:scores)
         (tempo #f)
         (ties '()))
     (set! tags:scores (1+ tags:scores))
     (make-engraver
      (acknowledgers
       ((note-head-interface engraver grob source-engraver)
        (let ((event (event-cause grob)))
          (if event
              (ly:grob-set-property!
               grob 'output-attributes
               (tags:head-attributes score (ly:context-current-moment context)
                                     (tags:bar context) event (lambda () ties))))))
       ((staff-symbol-interface engraver grob source-engraver)
        (ly:grob-set-property!
         grob 'output-attributes
         (lambda (grob)
           (tags:attributes "kind" "staff" "score" score "system" (tags:system-number grob)))))
       ((bar-line-interface engraver grob source-engraver)
        (let ((bar (tags:bar context)))
          (ly:grob-set-property!
           grob 'output-attributes
           (lambda (grob)
             (tags:attributes "kind" "bar" "score" score "system" (tags:system-number grob)
                              "bar" bar)))))
       ((tie-interface engraver grob source-engraver)
        (if (ly:spanner? grob)  ; not a half tie after a repeat
            (set! ties (cons grob ties)))))
      ((process-music engraver)
       (let ((now (ly:context-property context 'tempoWholesPerMinute)))
         (if (and (ly:moment? now) (not (equal? now tempo)))
             (begin
               (set! tempo now)
               (format tags:tempo-file "~a\t~a\t~a\n" score
                       (ly:moment-main (ly:context-current-moment context))
                       (ly:moment-main now))
               (force-output tags:tempo-file))))))))

%% The SVG writer searches the font file afresh for every glyph, which takes nearly all of its time.
#(define (tags:remember-glyphs!)
   (let* ((writers (module-ref (resolve-module '(lily output-svg)) 'stencil-dispatch-alist))
          (glyphs (make-hash-table)))
     (define (remember! name key)
       (let* ((entry (assq name writers))
              (write (and entry (cdr entry))))
         (if write
             (set-cdr! entry
                       (lambda arguments
                         (let ((known (key arguments)))
                           (or (hash-ref glyphs known)
                               (let ((text (apply write arguments)))
                                 (hash-set! glyphs known text)
                                 text))))))))
     (remember! 'named-glyph
                (lambda (arguments)
                  (list 'named-glyph (object-address (car arguments)) (cadr arguments))))
     (remember! 'glyph-string
                (lambda (arguments)
                  (list 'glyph-string (cadr arguments) (caddr arguments)
                        (list-ref arguments 4))))))
#(tags:remember-glyphs!)

\layout {
  \context {
    \Score
    \consists #tags:engraver
  }
}
