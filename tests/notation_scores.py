"""Tiny scores in the formats that Verovio reads, with what is known of them."""

import io
import xml.etree.ElementTree as ElementTree
import zipfile

MUSICXML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN"
 "http://www.musicxml.org/dtds/partwise.dtd">
<score-partwise version="4.0">
<part-list>
<score-part id="P1"><part-name>Voice</part-name></score-part>
<score-part id="P2"><part-name>Piano</part-name></score-part>
</part-list>
<part id="P1">
<measure number="0" implicit="yes">
<attributes><divisions>4</divisions><time><beats>2</beats><beat-type>4</beat-type></time>
<clef><sign>G</sign><line>2</line></clef></attributes>
<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>90</per-minute>
</metronome></direction-type><sound tempo="90"/></direction>
<note><pitch><step>G</step><octave>4</octave></pitch><duration>4</duration><type>quarter</type>
<lyric><text>La</text></lyric></note></measure>
<measure number="1">
<note><pitch><step>C</step><octave>5</octave></pitch><duration>8</duration><type>half</type></note>
</measure>
<measure number="2"><note><rest/><duration>8</duration></note>
<barline location="right"><repeat direction="backward"/></barline></measure>
<measure number="3">
<direction><direction-type><words>Lento</words></direction-type><sound tempo="60"/></direction>
<note><pitch><step>C</step><octave>5</octave></pitch><duration>8</duration><type>half</type></note>
</measure>
</part>
<part id="P2">
<measure number="0" implicit="yes">
<attributes><divisions>4</divisions><time><beats>2</beats><beat-type>4</beat-type></time>
<staves>2</staves><clef number="1"><sign>G</sign><line>2</line></clef>
<clef number="2"><sign>F</sign><line>4</line></clef></attributes>
<note><rest/><duration>4</duration><type>quarter</type><staff>1</staff></note>
<backup><duration>4</duration></backup>
<note><rest/><duration>4</duration><voice>5</voice><type>quarter</type><staff>2</staff></note>
</measure>
<measure number="1">
<note><grace slash="yes"/><pitch><step>D</step><octave>5</octave></pitch><voice>1</voice>
<type>eighth</type><staff>1</staff></note>
<note><pitch><step>C</step><octave>5</octave></pitch><duration>4</duration><voice>1</voice>
<type>quarter</type><staff>1</staff></note>
<note><chord/><pitch><step>E</step><octave>5</octave></pitch><duration>4</duration><voice>1</voice>
<type>quarter</type><staff>1</staff></note>
<note><pitch><step>F</step><alter>1</alter><octave>5</octave></pitch><duration>4</duration>
<tie type="start"/><voice>1</voice><type>quarter</type><accidental>sharp</accidental>
<staff>1</staff><notations><tied type="start"/></notations></note>
<backup><duration>8</duration></backup>
<note><pitch><step>C</step><octave>3</octave></pitch><duration>8</duration><voice>5</voice>
<type>half</type><staff>2</staff><notations><ornaments><trill-mark/></ornaments></notations></note>
</measure>
<measure number="2">
<note><pitch><step>F</step><alter>1</alter><octave>5</octave></pitch><duration>4</duration>
<tie type="stop"/><voice>1</voice><type>quarter</type><staff>1</staff>
<notations><tied type="stop"/></notations></note>
<note><grace/><pitch><step>A</step><octave>4</octave></pitch><voice>1</voice><type>16th</type>
<staff>1</staff></note>
<note><grace/><pitch><step>B</step><octave>4</octave></pitch><voice>1</voice><type>16th</type>
<staff>1</staff></note>
<note><pitch><step>C</step><octave>5</octave></pitch><duration>4</duration><voice>1</voice>
<type>quarter</type><staff>1</staff></note>
<backup><duration>8</duration></backup>
<note><pitch><step>C</step><octave>3</octave></pitch><duration>4</duration><voice>5</voice>
<type>quarter</type><staff>2</staff></note>
<note><pitch><step>C</step><octave>4</octave></pitch><duration>4</duration><voice>5</voice>
<type>quarter</type><staff>1</staff></note>
<barline location="right"><repeat direction="backward"/></barline></measure>
<measure number="3">
<note><pitch><step>C</step><octave>5</octave></pitch><duration>8</duration><voice>1</voice>
<type>half</type><staff>1</staff></note>
<backup><duration>8</duration></backup>
<note print-object="no"><pitch><step>C</step><octave>3</octave></pitch><duration>8</duration>
<voice>5</voice><type>half</type><staff>2</staff></note></measure>
</part>
</score-partwise>
"""
"""A voice and a piano: a pickup, a grace note, a chord, a tie, a trill, two grace notes, a note on
the other staff, a repeat, a change of tempo, and a hidden note (bar 3, left hand)."""

KERN = """**kern\t**kern
*part1\t*part1
*staff2\t*staff1
*I"Piano\t*I"Piano
*clefF4\t*clefG2
*M3/4\t*M3/4
*MM120\t*MM120
4r\t4g
=1\t=1
2.C\t4c e
.\t[2d
=2:|!\t=2:|!
2C\t4d]
.\t8qe
.\t4f
4r\t4r
=3\t=3
2.G\t2.b-
==\t==
*-\t*-
"""
"""A piano: a pickup, a chord, a tie, a repeat, a grace note, an accidental."""

MEI = """<?xml version="1.0" encoding="UTF-8"?>
<mei xmlns="http://www.music-encoding.org/ns/mei" meiversion="5.0"><meiHead/><music><body><mdiv>
<score><scoreDef><staffGrp>
<staffGrp symbol="brace" label="Klavier">
<staffDef n="1" lines="5" clef.shape="G" clef.line="2" meter.count="4" meter.unit="4"/>
<staffDef n="2" lines="5" clef.shape="F" clef.line="4" meter.count="4" meter.unit="4"/>
</staffGrp>
<staffDef n="3" label="Violine" lines="5" clef.shape="G" clef.line="2" meter.count="4"
 meter.unit="4"/>
</staffGrp></scoreDef>
<section>
<measure n="7"><staff n="1"><layer n="1">
<note xml:id="a" pname="c" oct="5" dur="2"/><note xml:id="b" pname="d" oct="5" dur="2"/>
</layer></staff>
<staff n="2"><layer n="1"><note pname="c" oct="3" dur="1"/></layer></staff>
<staff n="3"><layer n="1"><note xml:id="v" pname="e" oct="5" dur="1"/></layer></staff>
<tempo staff="3" tstamp="1" midi.bpm="100">Andante</tempo>
<slur startid="#a" endid="#b"/><fermata startid="#v"/><dynam staff="3" tstamp="1">p</dynam>
</measure>
<measure n="8"><staff n="1"><layer n="1"><mRest/></layer></staff>
<staff n="2"><layer n="1"><note pname="g" oct="2" dur="1" accid="s"/></layer></staff>
<staff n="3"><layer n="1"><mRest/></layer></staff></measure>
</section></score></mdiv></body></music></mei>
"""
"""A piano and, below it, a violin, with marks of each; bars 7 and 8."""

ABC = """X:1
T:A tune
M:3/4
L:1/4
Q:1/4=100
K:D
F|G3|:A B2-|B c2:|
"""
"""One staff: a pickup, a repeat, a tie, two sharps."""


def packed(score: str = MUSICXML, name: str = "music/score.xml") -> bytes:
    """Packs a score as MXL."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        container = f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("cover.xml", "<cover/>")
        archive.writestr(name, score)
    return stream.getvalue()


def by_bars(content: str = MUSICXML) -> bytes:
    """MusicXML with the parts of every bar; the first part lacks bar 1."""
    root = ElementTree.fromstring(content)
    parts = root.findall("part")
    made = ElementTree.Element("score-timewise", root.attrib)
    made.extend(child for child in root if child.tag != "part")
    for bars in zip(*(part.findall("measure") for part in parts), strict=True):
        bar = ElementTree.SubElement(made, "measure", bars[0].attrib)
        for part, own in zip(parts, bars, strict=True):
            if not (part is parts[0] and bar.get("number") == "1"):
                ElementTree.SubElement(bar, "part", part.attrib).extend(own)
    return ElementTree.tostring(made)
