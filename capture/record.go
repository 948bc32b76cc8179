package capture

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"pcapaudit/capture/flow"
)

// record is one captured packet as read.
type record struct {
	data      []byte // captured bytes; valid until the next call of fill, with turns until the work has come back
	time      int64  // ns since 1970 UTC; 0 where badTime
	num       uint64 // number in its file, from 1
	wire      uint32 // length on the wire as the file states it; may be below len(data) in a damaged file
	file      uint16 // index of its file in the order of reading
	iface     uint16 // index into its file's Interfaces
	commented uint16 // which of its reader's option lists with comments is its own, from 1; 0: none
	badTime   bool   // the file gives no time, or one beyond maxTime
	outgoing  bool   // live: this host sends it
	unsummed  bool   // live: its checksum is left to the network card
}

// recordBatch is what the packet loop reads at once. The zero value is empty.
type recordBatch struct {
	n    int
	recs [flow.BatchSize]record
}

// InputState says how the reading of an input ended. The zero value is InputUnfinished.
type InputState uint8

const (
	InputUnfinished InputState = iota // reading stopped before its end, from outside
	InputClean                        // read to its end, every byte accounted for
	InputCut                          // it ends, or cannot be read on, inside a packet or block
	InputMalformed                    // a length or value in it cannot be true; nothing after it is read
	InputLimit                        // reading on would exceed a limit of this package
)

var inputStateNames = [...]string{"unfinished", "clean", "cut", "malformed", "limit"}

func (s InputState) String() string { return inputStateNames[s] }

// Input is what is known about one input. Read+Unread = Size at any time; of a compressed input these count its bytes as stored.
// Strings from the file are cleaned of control characters and at most maxText characters long.
type Input struct {
	Name        string     // as given, or found in a directory; "-" is standard input
	Format      string     // "pcap", "pcapng"
	Compression string     // "gzip", "zstd", "lz4", "xz"; empty: none
	Size        int64      // of a stream: bytes that arrived
	Read        int64      // bytes up to the end of the last whole packet or block; compressed: bytes the decompressor had taken for it
	Unread      int64      // the rest
	SHA256      string     // of the bytes as stored; empty where not asked or not known
	State       InputState // how the reading ended
	Detail      string     // where State is cut, malformed or limit: what, and at which byte
	Warnings    []string   // at most maxWarnings

	Packets       uint64
	CutPackets    uint64 // captured shorter than they were on the wire
	BadTimes      uint64 // packets without a usable time
	TimeBackwards uint64 // packets with a time before that of the packet before them
	First, Last   int64  // smallest and largest usable packet time, ns since 1970 UTC; both 0 where there is none

	Interfaces    []Interface // of all sections, in the order of the file; a pcap file has one
	Sections      int         // pcapng sections
	Application   string      // that wrote the file (first section that says so)
	Hardware, OS  string
	DroppedNoted  uint64 // packets lost during capture according to packet blocks (epb_dropcount, drops count); does not wrap
	Comments      uint64 // opt_comment options
	BadOptions    uint64 // options of a length or place that cannot be true; ignored
	SkippedBlocks uint64 // blocks that hold no packets, interfaces or statistics: names, secrets, custom, unknown
}

// Interface is where a capture file's packets came from.
type Interface struct {
	Name, Description, Filter, OS string
	LinkType                      uint16 // https://www.tcpdump.org/linktypes.html
	FCS                           int    // bytes of frame check sequence at the end of packets; -1: not stated
	Snaplen                       uint32 // 0: not limited
	Resolution                    string // of time stamps: "1e-6 s", "2^-32 s"
	TimeOffset                    int64  // seconds, to be added to time stamps; already added to packet times
	Packets                       uint64 // read here

	// Counters of the interface's last statistics block, over its whole capture; nil: not stated.
	Received, FilterAccepted, Delivered *uint64
	Dropped, DroppedByOS                *uint64 // lost by the interface, by the operating system
}

const (
	maxCaptured   = 262144   // captured bytes of a packet; libpcap's MAXIMUM_SNAPLEN
	maxBlock      = 16 << 20 // bytes of a pcapng block; libpcap's INITIAL_MAX_BLOCKSIZE
	maxInterfaces = 4096     // of one input
	maxInputs     = 1 << 16  // record.file is 16 bits
	maxOpenInputs = 128      // whose time ranges overlap
	maxText       = 256      // characters kept of a string from a file
	maxWarnings   = 16       // of one input
)

func (in *Input) warn(text string) {
	if len(in.Warnings) < maxWarnings {
		in.Warnings = append(in.Warnings, text)
	}
}

// note numbers the records of a batch and accounts for them; prev is the last usable time before it, and the result that of the batch.
func (in *Input) note(b *recordBatch, file uint16, prev int64) int64 {
	first, last, packets, badTimes := in.First, in.Last, in.Packets, in.BadTimes
	for i := range b.recs[:b.n] {
		r := &b.recs[i]
		packets++
		r.num, r.file = packets, file
		in.Interfaces[r.iface].Packets++
		if int64(r.wire) > int64(len(r.data)) {
			in.CutPackets++
		}
		if r.badTime {
			r.time = 0
			badTimes++
			continue
		}
		if packets-badTimes == 1 {
			first, last, prev = r.time, r.time, r.time
		}
		if r.time < prev {
			in.TimeBackwards++
		}
		first, last, prev = min(first, r.time), max(last, r.time), r.time
	}
	in.First, in.Last, in.Packets, in.BadTimes = first, last, packets, badTimes
	return prev
}

// cleanText makes a string from a file fit to be shown: valid UTF-8, no control, format or line-breaking characters, bounded.
func cleanText(b []byte) string {
	var s strings.Builder
	for n := 0; len(b) > 0; n++ {
		if n == maxText {
			s.WriteRune('…')
			break
		}
		r, size := utf8.DecodeRune(b)
		if r == 0 { // padding of writers that terminate strings
			break
		}
		s.WriteRune(shown(r))
		b = b[size:]
	}
	return s.String()
}

// shown is what stands for a character from a file: itself, or where it is a control, format or line-breaking one the replacement character.
func shown(r rune) rune {
	if !unicode.IsPrint(r) {
		return utf8.RuneError
	}
	return r
}
