//go:build linux

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"pcapaudit/capture/flow"
)

const (
	conntrackBuffer = 8 << 20  // bytes that the kernel keeps for us: some 10,000 messages
	conntrackAtOnce = 10_000   // messages read at most before packets are looked at again
	dumpsAtOnce     = 100      // pieces of a dump, of up to 32 KiB each
	conntrackRead   = 64 << 10 // larger than any message and any piece of a dump
	dumpEvery       = 300_000_000_000
)

// Messages and attributes of ctnetlink (linux/netfilter/nfnetlink_conntrack.h).
const (
	conntrackNew    = unix.NFNL_SUBSYS_CTNETLINK << 8
	conntrackGet    = conntrackNew | 1
	conntrackDelete = conntrackNew | 2

	groupNew, groupDestroy = 1 << 0, 1 << 2 // of multicast

	ctTupleOrig, ctTupleReply, ctZone           = 1, 2, 18
	ctTupleIP, ctTupleProto, ctTupleZone        = 1, 2, 3
	ctSource4, ctTarget4, ctSource6, ctTarget6  = 1, 2, 3, 4
	ctProtoNumber, ctProtoSource, ctProtoTarget = 1, 2, 3
	netfilterHeader                             = 4
)

// OpenTranslations begins to listen, and then reads what is translated at present. It takes the capability CAP_NET_ADMIN, which is not needed any
// more afterwards: without it, what the kernel told too fast is not asked for again. Close ends it. Of a connection the kernel's word on
// its begin and its end is enough, for its ends never change. Connections in zones of connection tracking are left out: addresses mean something else there.
func OpenTranslations() (*Translations, error) {
	t := newTranslations()
	if err := t.open(); err != nil {
		t.Close()
		if errors.Is(err, unix.EPERM) {
			return nil, fmt.Errorf("reading address translations: %w; run as root, or give the program the capability CAP_NET_ADMIN", err)
		}
		return nil, fmt.Errorf("reading address translations: %w", err)
	}
	return t, nil
}

func (t *Translations) open() (err error) {
	t.events, t.dumps = -1, -1
	if b, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_events"); err == nil && strings.TrimSpace(string(b)) == "0" {
		return errors.New("connection tracking is set to tell nothing: set net.netfilter.nf_conntrack_events to 1")
	}
	if t.events, err = netfilterSocket(groupNew | groupDestroy); err != nil {
		return err
	}
	if unix.SetsockoptInt(t.events, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, conntrackBuffer) != nil {
		unix.SetsockoptInt(t.events, unix.SOL_SOCKET, unix.SO_RCVBUF, conntrackBuffer)
	}
	if t.dumps, err = netfilterSocket(0); err != nil {
		return err
	}
	if err := t.ask(math.MinInt64); err != nil {
		return err
	}
	for t.dump.going {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(t.dumps), Events: unix.POLLIN}}, 1000); err != nil && err != unix.EINTR {
			return err
		}
		if err := t.hearDump(math.MinInt64); err != nil {
			return err
		}
	}
	return nil
}

func netfilterSocket(groups uint32) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Close ends listening. What is known stays known.
func (t *Translations) Close() {
	for _, fd := range []*int{&t.events, &t.dumps} {
		if *fd >= 0 {
			unix.Close(*fd)
		}
		*fd = -1
	}
}

// ask begins a dump. One that may not be asked for is no error: the right was given away.
func (t *Translations) ask(now int64) error {
	d := &t.dump
	if err := askKernel(t.dumps, conntrackGet, netfilterHeader); err != nil {
		return fmt.Errorf("asking for tracked connections: %w", err)
	}
	d.going, d.lost, d.number, d.since, d.asked = true, false, d.number+1, t.clear, now
	return nil
}

// read takes in what the kernel has told since the last call, without waiting.
func (t *Translations) read(now int64) error {
	if t.dump.asked == math.MinInt64 {
		t.dump.asked = now
	}
	done, overrun, err := t.receive(t.events, conntrackAtOnce, func(kind uint16, body []byte) error {
		k, ok := trackedOf(body)
		switch {
		case !ok:
		case kind == conntrackNew:
			t.began(&k, now)
		case kind == conntrackDelete:
			t.finished(&k, now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if overrun {
		t.counters.Overruns++
		t.dump.lost = true
	}
	if t.dump.going {
		err = t.hearDump(now)
	} else if !t.dump.refused && done && (t.dump.lost || now-t.dump.asked > dumpEvery) {
		err = t.ask(now)
	}
	if done && !t.dump.going && (!t.dump.lost || t.dump.refused) {
		t.clear = now
	}
	t.expire(now)
	return err
}

// hearDump reads on in the dump.
func (t *Translations) hearDump(now int64) error {
	d := &t.dump
	_, overrun, err := t.receive(t.dumps, dumpsAtOnce, func(kind uint16, body []byte) error {
		switch kind {
		case unix.NLMSG_DONE:
			d.going = false
			t.sweep(now)
		case unix.NLMSG_ERROR:
			d.going = false
			return messageError(body)
		case conntrackNew:
			if k, ok := trackedOf(body); ok && !t.endedSince(&k, d.asked) {
				t.began(&k, d.since)
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, unix.EPERM) && now != math.MinInt64:
		d.refused = true
		return nil
	case errors.Is(err, unix.EINVAL) && now == math.MinInt64:
		return fmt.Errorf("%w; the kernel does not tell: load the module nf_conntrack_netlink", err)
	case overrun:
		d.going, d.lost = false, true
	}
	return err
}

// endedSince says whether a connection that a dump tells of has ended meanwhile.
func (t *Translations) endedSince(k *tracked, asked int64) bool {
	e, _ := translationOf(k)
	n := t.latest(&e)
	return n != 0 && t.entries[n].until != math.MaxInt64 && t.entries[n].until >= asked
}

// sweep ends what two dumps did not tell of. Of connections that were there before anybody listened the kernel does not tell the end.
func (t *Translations) sweep(now int64) {
	for n := range t.entries {
		if e := &t.entries[n]; e.legs[legBefore].proto != 0 && e.until == math.MaxInt64 && e.dumped+1 < t.dump.number {
			t.end(uint32(n), now)
		}
	}
}

// receive reads messages until there are no more (done), or there were too many. overrun: some were lost.
func (t *Translations) receive(fd, limit int, take func(kind uint16, body []byte) error) (done, overrun bool, err error) {
	if t.dump.buf == nil {
		t.dump.buf = make([]byte, conntrackRead)
	}
	for range limit {
		n, err := receiveKernel(fd, t.dump.buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return true, overrun, nil
		case errors.Is(err, unix.ENOBUFS):
			overrun = true
			continue
		case err != nil:
			return false, overrun, fmt.Errorf("reading address translations: %w", err)
		}
		if err := eachMessage(t.dump.buf[:n], take); err != nil {
			return false, overrun, fmt.Errorf("reading address translations: %w", err)
		}
	}
	return false, overrun, nil
}

// trackedOf reads the body of a message about a connection; false for one in a zone, or of which an end is missing.
func trackedOf(body []byte) (k tracked, ok bool) {
	if len(body) < netfilterHeader {
		return k, false
	}
	for kind, value, rest, more := nextAttribute(body[netfilterHeader:]); more; kind, value, rest, more = nextAttribute(rest) {
		switch kind {
		case ctTupleOrig:
			k.orig, k.target, k.proto, ok = endsOf(value)
		case ctTupleReply:
			var proto flow.Proto
			k.resp, k.answer, proto, ok = endsOf(value)
			ok = ok && proto == k.proto
		case ctZone:
			return k, false
		}
		if !ok && (kind == ctTupleOrig || kind == ctTupleReply) {
			return k, false
		}
	}
	return k, k.orig.IsValid() && k.resp.IsValid()
}

// endsOf reads one direction's tuple.
func endsOf(b []byte) (src, dst netip.AddrPort, proto flow.Proto, ok bool) {
	var from, to netip.Addr
	var ports [2]uint16
	for kind, value, rest, more := nextAttribute(b); more; kind, value, rest, more = nextAttribute(rest) {
		switch kind {
		case ctTupleIP:
			from, to = addressesOf(value)
		case ctTupleProto:
			proto, ports = serviceOf(value)
		case ctTupleZone:
			return src, dst, 0, false
		}
	}
	return netip.AddrPortFrom(from, ports[0]), netip.AddrPortFrom(to, ports[1]), proto, from.IsValid() && to.IsValid() && proto != 0
}

func addressesOf(b []byte) (from, to netip.Addr) {
	for kind, value, rest, more := nextAttribute(b); more; kind, value, rest, more = nextAttribute(rest) {
		a, _ := netip.AddrFromSlice(value)
		switch kind {
		case ctSource4, ctSource6:
			from = a
		case ctTarget4, ctTarget6:
			to = a
		}
	}
	return from, to
}

func serviceOf(b []byte) (proto flow.Proto, ports [2]uint16) {
	for kind, value, rest, more := nextAttribute(b); more; kind, value, rest, more = nextAttribute(rest) {
		switch {
		case kind == ctProtoNumber && len(value) == 1:
			proto = flow.Proto(value[0])
		case kind == ctProtoSource && len(value) == 2:
			ports[0] = binary.BigEndian.Uint16(value)
		case kind == ctProtoTarget && len(value) == 2:
			ports[1] = binary.BigEndian.Uint16(value)
		}
	}
	return proto, ports
}
