package capture

import (
	"bytes"
	"encoding/binary"
)

// testPacket is what the writers of tests put into a file.
type testPacket struct {
	ticks uint64 // in the file's or interface's units
	data  []byte
	wire  uint32 // 0: len(data)
	iface uint32
}

func (p testPacket) length() uint32 {
	if p.wire == 0 {
		return uint32(len(p.data))
	}
	return p.wire
}

// pcapBytes writes a classic pcap file; magic decides the units.
func pcapBytes(order binary.AppendByteOrder, magic, link uint32, packets ...testPacket) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 262144)
	b = order.AppendUint32(b, link)
	per := uint64(1e6)
	if magic == pcapMagicNano {
		per = 1e9
	}
	for _, p := range packets {
		b = order.AppendUint32(b, uint32(p.ticks/per))
		b = order.AppendUint32(b, uint32(p.ticks%per))
		b = order.AppendUint32(b, uint32(len(p.data)))
		b = order.AppendUint32(b, p.length())
		if magic == pcapMagicPatched {
			b = append(b, make([]byte, 8)...)
		}
		b = append(b, p.data...)
	}
	return b
}

// ngOption is one option of a pcapng block.
type ngOption struct {
	code  uint16
	value []byte
}

// ngBytes builds pcapng files block by block.
type ngBytes struct {
	bytes.Buffer
	order binary.AppendByteOrder
}

func (w *ngBytes) block(kind uint32, body []byte, options ...ngOption) {
	for _, o := range options {
		body = w.order.AppendUint16(body, o.code)
		body = w.order.AppendUint16(body, uint16(len(o.value)))
		body = pad4(append(body, o.value...))
	}
	if len(options) > 0 {
		body = append(body, 0, 0, 0, 0)
	}
	body = pad4(body)
	length := uint32(len(body) + blockOverhead)
	b := w.order.AppendUint32(nil, kind)
	b = w.order.AppendUint32(b, length)
	b = append(b, body...)
	w.Write(w.order.AppendUint32(b, length))
}

func pad4(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func (w *ngBytes) u32s(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = w.order.AppendUint32(b, v)
	}
	return b
}

func (w *ngBytes) u64(v uint64) []byte { return w.order.AppendUint64(nil, v) }

func (w *ngBytes) section(options ...ngOption) *ngBytes {
	body := w.order.AppendUint32(nil, sectionMagic)
	body = w.order.AppendUint16(body, 1)
	body = w.order.AppendUint16(body, 0)
	w.block(blockSection, w.order.AppendUint64(body, ^uint64(0)), options...)
	return w
}

func (w *ngBytes) iface(link uint16, snaplen uint32, options ...ngOption) *ngBytes {
	body := w.order.AppendUint16(nil, link)
	body = w.order.AppendUint16(body, 0)
	w.block(blockInterface, w.order.AppendUint32(body, snaplen), options...)
	return w
}

func (w *ngBytes) enhanced(p testPacket, options ...ngOption) *ngBytes {
	body := w.u32s(p.iface, uint32(p.ticks>>32), uint32(p.ticks), uint32(len(p.data)), p.length())
	w.block(blockEnhanced, pad4(append(body, p.data...)), options...)
	return w
}

func (w *ngBytes) old(p testPacket, drops uint16) *ngBytes {
	body := w.order.AppendUint16(nil, uint16(p.iface))
	body = w.order.AppendUint16(body, drops)
	body = append(body, w.u32s(uint32(p.ticks>>32), uint32(p.ticks), uint32(len(p.data)), p.length())...)
	w.block(blockPacket, append(body, p.data...))
	return w
}

func (w *ngBytes) simple(p testPacket) *ngBytes {
	w.block(blockSimple, append(w.u32s(p.length()), p.data...))
	return w
}

func (w *ngBytes) statistics(iface uint32, options ...ngOption) *ngBytes {
	w.block(blockStatistics, w.u32s(iface, 0, 0), options...)
	return w
}
