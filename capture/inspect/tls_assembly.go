package inspect

// assembly puts fragments that carry their offset together: those of DTLS handshake messages and of QUIC's CRYPTO frames.
type assembly struct {
	data []byte
	got  []span // sorted, apart from each other
}

// maxSpans is how many ranges with gaps between them an assembly has: some QUIC clients mix up their ClientHello on purpose.
const maxSpans = 64

// span is a range of offsets.
type span struct{ from, to int }

// add keeps a copy of a fragment; false where that is too much.
func (a *assembly) add(c *conversation, offset int, fragment []byte) bool {
	end := offset + len(fragment)
	if offset < 0 || end > maxHead || len(a.got) >= maxSpans {
		return false
	}
	if grow := end - len(a.data); grow > 0 {
		if !c.keep(grow) {
			return false
		}
		a.data = append(a.data, make([]byte, grow)...)
	}
	copy(a.data[offset:], fragment)
	a.cover(span{offset, end})
	return true
}

func (a *assembly) cover(s span) {
	kept := a.got[:0:0]
	for _, g := range a.got {
		if g.to < s.from || g.from > s.to {
			kept = append(kept, g)
		} else {
			s = span{min(s.from, g.from), max(s.to, g.to)}
		}
	}
	i := 0
	for i < len(kept) && kept[i].from < s.from {
		i++
	}
	a.got = append(kept[:i:i], append([]span{s}, kept[i:]...)...)
}

// begin is what is there without a gap from offset 0.
func (a *assembly) begin() []byte {
	if len(a.got) == 0 || a.got[0].from > 0 {
		return nil
	}
	return a.data[:a.got[0].to]
}

// reset forgets the fragments. What was counted for them stays counted.
func (a *assembly) reset() { a.data, a.got = a.data[:0], nil }
