//go:build linux

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// ringBlock holds a frame of the largest offload (64 KiB, with BIG TCP more) and is small: a block is closed after ringRetire however
	// little is in it, so that their number is the time that a ring bridges on a quiet line.
	ringBlock = 256 << 10
	// ringRetire is the age in ms at which the kernel hands over a block that is not full, at the latest when it is twice as old.
	ringRetire = 40
	// ringDelay is how long after its time stamp, in ns, a packet may still be invisible.
	ringDelay = (2*ringRetire + 20) * 1_000_000

	minRingBlocks = 4

	frameHeader  = unix.SizeofTpacket3Hdr // of each frame: a multiple of TPACKET_ALIGNMENT; the sockaddr_ll of its sender follows
	packetType   = frameHeader + 10       // sll_pkttype
	cookedHeader = 16                     // of LINKTYPE_LINUX_SLL; the kernel leaves at least 16 bytes between sockaddr_ll and a frame without link header
)

// ring is one packet socket with its memory, read by one goroutine.
type ring struct {
	fd     int
	memory []byte
	blocks int

	of     *watched
	file   uint16 // see record
	iface  uint16
	cooked bool // frames come without a link header, and get one of LINKTYPE_LINUX_SLL

	block int    // the next one to be read, or the one at hand
	open  []byte // the one at hand; nil: none
	left  int    // frames in it that were not handed out
	next  int    // where the first of these is
	time  int64  // of that one

	kernel, delivered, dropped uint64 // since it was made
	closing                    int64  // not 0: nothing more comes into it, and what does not show until then, on the monotonic clock, never will
}

// ringPlace is what a ring is opened for.
type ringPlace struct {
	link link
	of   *watched
	file uint16
}

// openRings opens the rings of an interface, which together get each packet once. No packet is in them from before all were ready.
func openRings(p ringPlace, c *LiveConfig) ([]*ring, error) {
	var rings []*ring
	fail := func(err error) ([]*ring, error) {
		for _, r := range rings {
			r.close()
		}
		return nil, err
	}
	group := 0
	for range max(c.Rings, 1) {
		r, err := openRing(p, c)
		if err != nil {
			return fail(err)
		}
		rings = append(rings, r)
		if c.Rings > 1 {
			if group, err = r.join(group, len(rings) == 1); err != nil {
				return fail(err)
			}
		}
	}
	program := c.kernelProgram()
	for _, r := range rings {
		if err := r.filter(program); err != nil {
			return fail(err)
		}
	}
	return rings, nil
}

// openRing keeps the order that lets in nothing by mistake: no protocol, so no packets; ring; a filter that takes nothing; interface.
func openRing(p ringPlace, c *LiveConfig) (*ring, error) {
	linkType, cooked := p.link.linkType()
	kind := unix.SOCK_RAW
	if cooked {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("opening a packet socket: %w; run as root, or give the program the capability CAP_NET_RAW", err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening a packet socket: %w", err)
	}
	r := &ring{fd: fd, of: p.of, file: p.file, cooked: cooked, iface: p.of.from(linkType, c.snaplen(), c.ProgramText)}
	if err := r.setUp(p.link, c); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *ring) setUp(l link, c *LiveConfig) error {
	option := func(what string, option, value int) error {
		return wrapped(what, unix.SetsockoptInt(r.fd, unix.SOL_PACKET, option, value))
	}
	if err := option("choosing the ring's version", unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return err
	}
	if err := option("reserving room for VLAN tags", unix.PACKET_RESERVE, vlanTag); err != nil {
		return err
	}
	if l.loopback() { // each packet would come twice
		if err := option("ignoring outgoing packets", unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return err
		}
	}
	if err := r.allocate(c.RingBytes); err != nil {
		return err
	}
	if err := r.refuse(); err != nil {
		return err
	}
	if c.Promiscuous {
		request := unix.PacketMreq{Ifindex: int32(l.index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &request); err != nil {
			return wrapped("switching promiscuous mode on", err)
		}
	}
	address := unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: l.index}
	return wrapped("binding to the interface", unix.Bind(r.fd, &address))
}

// allocate makes the ring's memory and maps it.
func (r *ring) allocate(size int) error {
	const frame = 2048 // that frames are not held to; the kernel wants to know one
	if size == 0 {
		size = defaultRingBytes
	}
	r.blocks = max(size/ringBlock, minRingBlocks)
	request := unix.TpacketReq3{Block_size: ringBlock, Block_nr: uint32(r.blocks), Frame_size: frame, Frame_nr: uint32(r.blocks * ringBlock / frame), Retire_blk_tov: ringRetire}
	err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request)
	if err == nil {
		r.memory, err = unix.Mmap(r.fd, 0, r.blocks*ringBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		return fmt.Errorf("making a ring of %d MiB: %w; a smaller one may do", r.blocks*ringBlock>>20, err)
	}
	return nil
}

// join puts the ring into the fanout group that spreads flows over the rings of its interface; the first one makes the group, with a number that is free.
func (r *ring) join(group int, first bool) (int, error) {
	kind := unix.PACKET_FANOUT_HASH << 16
	if first {
		kind = (unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_UNIQUEID) << 16
	}
	err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, kind|group)
	if err == nil && first {
		group, err = unix.GetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
		group &= 0xffff
	}
	return group, wrapped("joining the rings of an interface", err)
}

// filter replaces the kernel's program at once.
func (r *ring) filter(program []FilterInstruction) error {
	f := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))} // the same layout
	return wrapped("setting the kernel's filter", unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f))
}

// refuse lets nothing more in.
func (r *ring) refuse() error { return r.filter([]FilterInstruction{{Op: unix.BPF_RET | unix.BPF_K}}) }

// kernelProgram keeps snaplen bytes at most of what the program accepts.
func (c *LiveConfig) kernelProgram() []FilterInstruction {
	if len(c.Program) == 0 {
		return []FilterInstruction{{Op: unix.BPF_RET | unix.BPF_K, K: uint32(c.snaplen())}}
	}
	program := slices.Clone(c.Program)
	for i := range program {
		if program[i].Op == unix.BPF_RET|unix.BPF_K {
			program[i].K = min(program[i].K, uint32(c.snaplen()))
		}
	}
	return program
}

func (c *LiveConfig) snaplen() int {
	if c.Snaplen == 0 {
		return maxCaptured
	}
	return min(c.Snaplen, maxCaptured)
}

func (r *ring) status(block int) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.memory[block*ringBlock+8]))
}

// take gives a block back of which all was handed out, whose bytes nobody points at any more, and takes the next one if it is there.
func (r *ring) take(s *stamps) {
	if r.left > 0 {
		return
	}
	if r.open != nil {
		atomic.StoreUint32(r.status(r.block), unix.TP_STATUS_KERNEL)
		r.block = (r.block + 1) % r.blocks
		r.open = nil
	}
	if !r.ready() {
		return
	}
	r.open = r.memory[r.block*ringBlock:][:ringBlock]
	r.left, r.next = int(binary.NativeEndian.Uint32(r.open[12:])), int(binary.NativeEndian.Uint32(r.open[16:]))
	r.look(s)
}

// ready says whether the block at hand, or the next one, is there to be read.
func (r *ring) ready() bool { return atomic.LoadUint32(r.status(r.block))&unix.TP_STATUS_USER != 0 }

// crowded says whether half of the ring's blocks wait to be read.
func (r *ring) crowded() bool {
	return atomic.LoadUint32(r.status((r.block+r.blocks/2)%r.blocks))&unix.TP_STATUS_USER != 0
}

func (r *ring) header() *unix.Tpacket3Hdr {
	return (*unix.Tpacket3Hdr)(unsafe.Pointer(&r.open[r.next]))
}

// look reads the time of the next frame, if there is one.
func (r *ring) look(s *stamps) {
	if r.left > 0 {
		h := r.header()
		r.time = s.of(h.Sec, h.Nsec)
	}
}

// hand puts frames up to the time limit into b, at least one.
func (r *ring) hand(b *recordBatch, limit int64, s *stamps) {
	for first := true; r.left > 0 && b.n < len(b.recs) && (first || r.time <= limit); first = false {
		h := r.header()
		rec := &b.recs[b.n]
		*rec = record{time: r.time, wire: h.Len, file: r.file, iface: r.iface, outgoing: r.open[r.next+packetType] == unix.PACKET_OUTGOING,
			unsummed: h.Status&unix.TP_STATUS_CSUMNOTREADY != 0}
		if from := r.next + int(h.Mac); r.cooked {
			r.cook(rec, h, from)
		} else {
			r.frame(rec, h, from)
		}
		b.n++
		r.left--
		r.delivered++
		r.next += int(h.Next_offset)
		r.look(s)
	}
}

// frame is for one with its link header, which lies at from. The kernel has taken the outer VLAN tag out of it: it is put back, with room that was
// reserved for it.
func (r *ring) frame(rec *record, h *unix.Tpacket3Hdr, from int) {
	const addresses = 12
	to := from + int(h.Snaplen)
	tpid, tagged := tagOf(h)
	if !tagged || h.Snaplen < addresses {
		rec.data = r.open[from:to:to]
		return
	}
	rec.data = r.open[from-vlanTag : to : to]
	copy(rec.data, rec.data[vlanTag:][:addresses])
	binary.BigEndian.PutUint16(rec.data[addresses:], tpid)
	binary.BigEndian.PutUint16(rec.data[addresses+2:], uint16(h.Hv1.Vlan_tci))
	rec.wire += vlanTag
}

// cook is for a frame without link header: in front of it, where the kernel leaves room, goes one of LINKTYPE_LINUX_SLL.
func (r *ring) cook(rec *record, h *unix.Tpacket3Hdr, from int) {
	to := from + int(h.Snaplen)
	tpid, tagged := tagOf(h)
	front := cookedHeader
	if tagged {
		front += vlanTag
	}
	address := r.open[r.next+frameHeader:][:unix.SizeofSockaddrLinklayer]
	rec.data = r.open[from-front : to : to]
	rec.wire += uint32(front)
	d := rec.data
	binary.BigEndian.PutUint16(d, uint16(address[10]))
	binary.BigEndian.PutUint16(d[2:], binary.NativeEndian.Uint16(address[8:]))
	binary.BigEndian.PutUint16(d[4:], uint16(address[11]))
	copy(d[6:14], address[12:])
	copy(d[14:16], address[2:])
	if tagged {
		binary.BigEndian.PutUint16(d[14:], tpid)
		binary.BigEndian.PutUint16(d[16:], uint16(h.Hv1.Vlan_tci))
		copy(d[18:20], address[2:])
	}
}

// tagOf is the VLAN tag that the kernel took out of a frame.
func tagOf(h *unix.Tpacket3Hdr) (tpid uint16, tagged bool) {
	if h.Status&unix.TP_STATUS_VLAN_VALID == 0 {
		return 0, false
	}
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		return h.Hv1.Vlan_tpid, true
	}
	return etherVLAN, true
}

// count asks the kernel, which begins anew then, for what it had for the ring and what it dropped.
func (r *ring) count() (dropped uint64, err error) {
	s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, fmt.Errorf("reading packet counters: %w", err)
	}
	r.kernel += uint64(s.Packets)
	r.dropped += uint64(s.Drops)
	r.of.dropped += uint64(s.Drops)
	return uint64(s.Drops), nil
}

// empty says whether all that the kernel had for it was handed out.
func (r *ring) empty() bool { return r.kernel == r.delivered+r.dropped }

func (r *ring) close() {
	r.of.residual += r.kernel - r.delivered - r.dropped
	if r.memory != nil {
		unix.Munmap(r.memory)
	}
	unix.Close(r.fd)
}

// networkOrder is for fields of the socket interface that keep it.
func networkOrder(v uint16) uint16 { return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)}) }

func wrapped(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
