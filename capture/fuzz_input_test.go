package capture

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// fuzzInput holds what must be true of any bytes: a stream and a file of them give the same packets, every byte is read or unread, what was read
// of a pcapng file is whole blocks, and the packets written again are the same.
func fuzzInput(t *testing.T, data []byte) {
	in, err := openInputs([]string{"-"}, dribbles(data, 1000), inputOptions{expanded: 1 << 20})
	if err != nil {
		return
	}
	piped := drainInputs(t, in)
	in.close()
	path := writeFile(t, t.TempDir(), "f", data)
	read, file := readInputs(t, nil, inputOptions{hash: true}, path)
	one := file.list[0]
	if one.Size != int64(len(data)) {
		t.Fatalf("size %d of %d", one.Size, len(data))
	}
	if dataOf(piped) != dataOf(read) || in.list[0].State != one.State || in.list[0].Read != one.Read {
		t.Fatalf("a stream and a file of the same bytes differ: %+v %+v", in.list[0], one)
	}
	if one.Format == "pcapng" && one.Compression == "" {
		if checkBlocks(t, data[:one.Read]); one.State == InputClean && one.Unread != 0 {
			t.Fatalf("clean, and not all of it read: %+v", one)
		}
	}
	again, _ := readBytes(t, rewrite(read, one))
	if len(again) != len(read) {
		t.Fatalf("%d packets, written again %d", len(read), len(again))
	}
	for i, r := range read {
		if a := again[i]; a.data != r.data || a.wire != r.wire || a.time != r.time || a.badTime != r.badTime {
			t.Fatalf("packet %d: %+v, written again %+v", i, r, a)
		}
	}
}

// rewrite makes a pcapng file of packets that were read, with the interfaces of their input.
func rewrite(read []packetRead, in *Input) []byte {
	const offset = -maxTime/1_000_000_000 - 1 // in seconds: before all times
	w := &ngBytes{order: binary.BigEndian}
	w.section()
	for _, one := range in.Interfaces {
		w.iface(one.LinkType, 0, ngOption{interfaceResolution, []byte{9}}, ngOption{interfaceOffset, w.u64(uint64(offset & (1<<64 - 1)))})
		w.iface(one.LinkType, 0, ngOption{interfaceResolution, []byte{0xff}}) // of packets without a time
	}
	for _, r := range read {
		p := testPacket{ticks: uint64(r.time - offset*1_000_000_000), data: []byte(r.data), wire: r.wire, iface: 2 * uint32(r.iface)}
		if r.badTime {
			p.iface++
		}
		body := append(w.u32s(p.iface, uint32(p.ticks>>32), uint32(p.ticks), uint32(len(p.data)), p.wire), p.data...)
		w.block(blockEnhanced, body)
	}
	return w.Bytes()
}

// checkBlocks takes a pcapng file apart and puts it together again, block by block.
func checkBlocks(t *testing.T, data []byte) {
	w := &ngBytes{order: binary.LittleEndian}
	for off := 0; off < len(data); {
		b := data[off:]
		if len(b) < blockOverhead {
			t.Fatalf("%d bytes behind the last block were read", len(b))
		}
		if binary.BigEndian.Uint32(b) == blockSection { // the same in both orders
			w.order = binary.LittleEndian
			if binary.BigEndian.Uint32(b[8:]) == sectionMagic {
				w.order = binary.BigEndian
			}
		}
		order := w.order.(binary.ByteOrder)
		length := order.Uint32(b[4:])
		if length < blockOverhead || uint64(length) > uint64(len(b)) {
			t.Fatalf("the block at byte %d is not whole", off)
		}
		w.block(order.Uint32(b), bytes.Clone(b[8:length-4]))
		off += int(length)
	}
	if !bytes.Equal(w.Bytes(), data) {
		t.Fatal("the blocks that were read, put together again, are other bytes")
	}
}

func FuzzPcap(f *testing.F) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, magic := range []uint32{pcapMagicMicro, pcapMagicNano, pcapMagicPatched} {
			f.Add(pcapBytes(order, magic, 1, testPacket{ticks: 1e15, data: []byte("abcdef")}, testPacket{data: make([]byte, 70)}))
		}
	}
	whole := pcapBytes(little, pcapMagicMicro, 2<<28|1<<26|linkEthernet, testPacket{ticks: 5, data: []byte("ends with its checksum"), wire: 60}, testPacket{ticks: 4, data: nil, wire: 60})
	f.Add(whole)                // with an FCS, cut by a snaplen, time backwards
	f.Add(whole[:len(whole)-1]) // cut in a header
	f.Add(whole[:pcapHeader+20])
	f.Add(whole[:pcapHeader])
	for at, value := range map[int]byte{pcapHeader + 4: 0xff, pcapHeader + 7: 0xff, pcapHeader + 11: 0xff, pcapHeader + 8: 23, 4: 3, 19: 0x80, 3: 0xa2} { // times, lengths, version, snaplen, magic
		damaged := bytes.Clone(whole)
		damaged[at] = value
		f.Add(damaged)
	}
	f.Fuzz(fuzzInput)
}

func FuzzPcapng(f *testing.F) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		w := &ngBytes{order: order}
		w.section(ngOption{sectionOS, []byte("os")}).iface(1, 96, ngOption{interfaceResolution, []byte{0x86}}, ngOption{interfaceOffset, make([]byte, 8)})
		w.enhanced(testPacket{ticks: 1e15, data: []byte("abc")}, ngOption{packetDropCount, make([]byte, 8)})
		w.old(testPacket{data: []byte("d")}, 1).simple(testPacket{data: []byte("efgh")}).statistics(0, ngOption{statisticsReceived, make([]byte, 8)})
		f.Add(w.Bytes())
		for _, seed := range blockSeeds(order) {
			f.Add(seed)
		}
	}
	f.Add([]byte("\n\r\r\n"))
	f.Fuzz(fuzzInput)
}

// blockSeeds are small files with one block of interest each.
func blockSeeds(order binary.AppendByteOrder) (seeds [][]byte) {
	add := func(more func(w *ngBytes)) {
		w := &ngBytes{order: order}
		w.section().iface(linkEthernet, 0)
		more(w)
		w.enhanced(testPacket{ticks: 1e15, data: []byte("last")})
		seeds = append(seeds, w.Bytes())
	}
	add(func(w *ngBytes) { w.section().iface(linkRaw, 64, ngOption{interfaceName, []byte("b")}) })
	add(func(w *ngBytes) { // another section in the other byte order
		other := &ngBytes{order: binary.LittleEndian}
		if order == binary.LittleEndian {
			other.order = binary.BigEndian
		}
		other.section().iface(linkRaw, 0).enhanced(testPacket{ticks: 2e15, data: []byte("other")})
		w.Write(other.Bytes())
		w.section().iface(linkEthernet, 0)
	})
	add(func(w *ngBytes) { w.simple(testPacket{data: []byte("five!")}) })
	add(func(w *ngBytes) { w.old(testPacket{ticks: 1, data: []byte("old")}, 0xffff) })
	for _, resolution := range []byte{0, 9, 19, 20, 0x80, 0xbf, 0xff} {
		add(func(w *ngBytes) {
			w.iface(linkEthernet, 0, ngOption{interfaceResolution, []byte{resolution}}).enhanced(testPacket{ticks: 1 << 60, data: []byte("t"), iface: 1})
		})
	}
	add(func(w *ngBytes) { // names: one of IPv4, one of IPv6, the end
		w.block(4, append(w.u32s(0x00010006), 192, 0, 2, 1, 'a', 0, 0, 0, 0, 0, 0, 0))
	})
	add(func(w *ngBytes) { // statistics before any packet
		w.statistics(0, ngOption{statisticsReceived, w.u64(9)}, ngOption{statisticsDropped, w.u64(1)}, ngOption{statisticsDroppedByOS, w.u64(1)})
	})
	add(func(w *ngBytes) {
		w.enhanced(testPacket{data: []byte("c")}, ngOption{optionComment, []byte("comment")}, ngOption{packetDropCount, w.u64(3)}, ngOption{2, []byte{1, 2}})
	})
	add(func(w *ngBytes) { w.enhanced(testPacket{data: []byte("whose?"), iface: 7}) })
	add(func(w *ngBytes) { w.block(blockEnhanced, w.u32s(0, 0, 0, 0xfffffff0, 0xfffffff0)) })
	add(func(w *ngBytes) { w.Write(w.u32s(blockEnhanced, 4, 4)) })
	add(func(w *ngBytes) { w.Write(w.u32s(99, 16, 0, 20)) }) // another length at its end
	add(func(w *ngBytes) { w.block(0x80000bad, []byte("local")) })
	return seeds
}
