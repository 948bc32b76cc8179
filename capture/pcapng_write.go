package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	maxOption    = 1<<16 - 1 // bytes of an option's value: its length has 16 bits
	maxComments  = 64        // of one packet, without original ones; the last of them says how many more there are
	writeAtOnce  = 256 << 10 // bytes collected for one write
	earlierTimes = -maxTime/1_000_000_000 - 1
)

// ngWriter writes a pcapng file of one section (draft-ietf-opsawg-pcapng), little-endian on every host, with times in ns. What it writes
// depends on its arguments alone. The zero value needs a writer; begin comes first, flush last.
type ngWriter struct {
	to     io.Writer
	buf    []byte
	ifaces map[writtenInterface]uint32
	last   writtenInterface // asked for last, and its number
	number uint32
	err    error // of the first write that failed; nothing is written after it
}

// writtenInterface is an interface block. Interfaces of several inputs that are alike are one.
type writtenInterface struct {
	name, description string
	link              uint16
	fcs               int // -1: not stated
	snaplen           uint32
	early             bool // its packets are from before 1970: time stamps are counted from earlierTimes
}

// begin writes the section header.
func (w *ngWriter) begin(comment string) {
	w.ifaces = map[writtenInterface]uint32{}
	from := w.block(blockSection)
	w.u32(sectionMagic)
	w.u32(1) // version 1.0
	w.u32(^uint32(0))
	w.u32(^uint32(0)) // the section's length is not stated
	w.text(optionComment, comment)
	w.text(sectionApplication, "pcapaudit")
	w.endOptions()
	w.endBlock(from)
}

// iface gives the number of an interface, which is written when it is first asked for. Beyond maxInterfaces those of a link type share one.
func (w *ngWriter) iface(i writtenInterface) uint32 {
	const spare = 2 * 64 // one for each link type that is decoded, early and not
	if i == w.last && len(w.ifaces) > 0 {
		return w.number
	}
	if n, ok := w.ifaces[i]; ok {
		w.last, w.number = i, n
		return n
	}
	if len(w.ifaces) >= maxInterfaces-spare {
		i = writtenInterface{description: "further interfaces", link: i.link, fcs: -1, early: i.early}
		if n, ok := w.ifaces[i]; ok {
			return n
		}
	}
	n := uint32(len(w.ifaces))
	w.ifaces[i] = n
	w.last, w.number = i, n
	from := w.block(blockInterface)
	w.u32(uint32(i.link))
	w.u32(i.snaplen)
	w.text(interfaceName, i.name)
	w.text(interfaceDescription, i.description)
	w.option(interfaceResolution, []byte{9})
	if i.fcs >= 0 {
		w.option(interfaceFCS, []byte{uint8(i.fcs)})
	}
	if i.early {
		offset := int64(earlierTimes)
		w.option(interfaceOffset, binary.LittleEndian.AppendUint64(nil, uint64(offset)))
	}
	w.endOptions()
	w.endBlock(from)
	return n
}

// packet writes data, captured at time (ns since 1970 UTC, of either sign) from an interface that this writer has numbered; wire is its
// length on the wire. Comments have to be valid UTF-8; they are cut to what an option holds. Those that it had where it came from follow ours.
func (w *ngWriter) packet(iface uint32, early bool, time int64, wire uint32, data []byte, comments []string, original ...string) {
	from := w.block(blockEnhanced)
	stamp := uint64(time)
	if early {
		stamp = uint64(time - earlierTimes*1_000_000_000)
	}
	w.u32(iface)
	w.u32(uint32(stamp >> 32))
	w.u32(uint32(stamp))
	w.u32(uint32(len(data)))
	w.u32(wire)
	w.buf = append(w.buf, data...)
	w.pad(len(data))
	shown := comments
	if len(comments) > maxComments {
		shown = comments[:maxComments-1]
	}
	for _, c := range shown {
		w.text(optionComment, c)
	}
	if more := len(comments) - len(shown); more > 0 {
		w.text(optionComment, fmt.Sprintf("and %d more", more))
	}
	for _, c := range original {
		w.text(optionComment, c)
	}
	if len(comments)+len(original) > 0 {
		w.endOptions()
	}
	w.endBlock(from)
	if len(w.buf) >= writeAtOnce {
		w.flush()
	}
}

// flush writes what was collected and gives the first error of all writes.
func (w *ngWriter) flush() error {
	if w.err == nil {
		_, w.err = w.to.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}

// block begins one; endBlock fills in its length.
func (w *ngWriter) block(kind uint32) (from int) {
	from = len(w.buf)
	w.u32(kind)
	w.u32(0)
	return from
}

func (w *ngWriter) endBlock(from int) {
	length := uint32(len(w.buf) - from + 4)
	w.u32(length)
	binary.LittleEndian.PutUint32(w.buf[from+4:], length)
}

func (w *ngWriter) u32(v uint32) { w.buf = binary.LittleEndian.AppendUint32(w.buf, v) }

func (w *ngWriter) pad(length int) {
	for ; length%4 != 0; length++ {
		w.buf = append(w.buf, 0)
	}
}

func (w *ngWriter) option(code uint16, value []byte) {
	w.u32(uint32(code) | uint32(len(value))<<16)
	w.buf = append(w.buf, value...)
	w.pad(len(value))
}

// text writes a string, cut between characters if an option cannot hold it; an empty one is left out.
func (w *ngWriter) text(code uint16, s string) {
	if s == "" {
		return
	}
	if len(s) > maxOption {
		end := maxOption
		for !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	w.u32(uint32(code) | uint32(len(s))<<16)
	w.buf = append(w.buf, s...)
	w.pad(len(s))
}

func (w *ngWriter) endOptions() { w.u32(optionEnd) }
