//go:build linux

package capture

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// link is a network interface of the system.
type link struct {
	index    int
	name     string
	hardware uint16 // ARPHRD_ type
	up       bool   // switched on, and with a carrier
}

func (l *link) loopback() bool { return l.hardware == unix.ARPHRD_LOOPBACK }

// linkType is that of the frames that a packet socket gives. Where it is not known here, the frames are asked for without their link header.
func (l *link) linkType() (linkType uint16, cooked bool) {
	switch l.hardware {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return linkEthernet, false
	case unix.ARPHRD_IEEE80211:
		return link80211, false
	case unix.ARPHRD_IEEE80211_PRISM:
		return linkPrism, false
	case unix.ARPHRD_IEEE80211_RADIOTAP:
		return linkRadiotap, false
	}
	return linkSLL, true
}

// linkEvent is a change: what the interface is now, or that it is gone.
type linkEvent struct {
	link
	gone bool
}

// linkWatch hears of changes of interfaces from rtnetlink (rtnetlink(7)).
type linkWatch struct {
	fd      int
	asking  int            // socket for questions, so that none has to be opened later
	overrun bool           // the kernel had more to tell than was read
	doubt   bool           // after that: an interface may have been replaced by one that looks the same
	buf     [64 << 10]byte // larger than any message
	known   map[int]link   // by index
}

const (
	linksAtOnce  = 4096 // messages read at most before packets are looked at again
	linkPatience = 5    // s for an answer of the kernel, which comes at once
)

// openLinkWatch begins to listen, and then asks what is there.
func openLinkWatch() (*linkWatch, error) {
	w := &linkWatch{fd: -1, asking: -1, known: map[int]link{}}
	err := w.open()
	if err == nil {
		_, err = w.compare(nil)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *linkWatch) open() (err error) {
	for _, s := range []struct {
		fd     *int
		kind   int
		groups uint32
	}{{&w.fd, unix.SOCK_NONBLOCK, unix.RTMGRP_LINK}, {&w.asking, 0, 0}} {
		if *s.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|s.kind, unix.NETLINK_ROUTE); err != nil {
			*s.fd = -1
			return fmt.Errorf("opening a socket for changes of interfaces: %w", err)
		}
		if err := unix.Bind(*s.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: s.groups}); err != nil {
			return fmt.Errorf("listening for changes of interfaces: %w", err)
		}
	}
	return wrapped("listening for changes of interfaces", unix.SetsockoptTimeval(w.asking, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: linkPatience}))
}

func (w *linkWatch) close() {
	for _, fd := range []int{w.fd, w.asking} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// changed gives what has changed since the last call, in its order, without waiting. Where the kernel had more to tell than was read, what it
// still tells is older than what it did not: only then all is asked for.
func (w *linkWatch) changed() (events []linkEvent, err error) {
	for range linksAtOnce {
		n, err := receiveKernel(w.fd, w.buf[:])
		switch {
		case errors.Is(err, unix.EAGAIN) && w.overrun:
			w.overrun, w.doubt = false, true
			return w.compare(events)
		case errors.Is(err, unix.EAGAIN):
			return events, nil
		case errors.Is(err, unix.ENOBUFS):
			w.overrun = true
			continue
		case err != nil:
			return events, fmt.Errorf("reading changes of interfaces: %w", err)
		}
		err = eachMessage(w.buf[:n], func(kind uint16, body []byte) error {
			if e, ok := linkEventOf(kind, body); ok && w.learn(e) {
				events = append(events, e)
			}
			return nil
		})
		if err != nil {
			return events, fmt.Errorf("reading changes of interfaces: %w", err)
		}
	}
	return events, nil
}

// learn says whether an event is news.
func (w *linkWatch) learn(e linkEvent) bool {
	before, known := w.known[e.index]
	if e.gone {
		delete(w.known, e.index)
		return known
	}
	w.known[e.index] = e.link
	return !known || before != e.link
}

// compare asks for all interfaces and adds the differences to what was known to events.
func (w *linkWatch) compare(events []linkEvent) ([]linkEvent, error) {
	found, err := w.list()
	if err != nil {
		return events, fmt.Errorf("listing interfaces: %w", err)
	}
	gone := maps.Clone(w.known)
	for _, e := range found {
		if w.learn(e) {
			events = append(events, e)
		}
		delete(gone, e.index)
	}
	for _, index := range slices.Sorted(maps.Keys(gone)) {
		e := linkEvent{gone[index], true}
		w.learn(e)
		events = append(events, e)
	}
	return events, nil
}

// list asks for all interfaces.
func (w *linkWatch) list() (found []linkEvent, err error) {
	for err := error(nil); err == nil; { // what is left of an answer that was not read to its end
		_, _, err = unix.Recvfrom(w.asking, w.buf[:], unix.MSG_DONTWAIT)
	}
	if err := askKernel(w.asking, unix.RTM_GETLINK, unix.SizeofIfInfomsg); err != nil {
		return nil, err
	}
	for done := false; !done; {
		n, err := receiveKernel(w.asking, w.buf[:])
		if err != nil {
			return nil, err
		}
		err = eachMessage(w.buf[:n], func(kind uint16, body []byte) error {
			if kind == unix.NLMSG_ERROR {
				return messageError(body)
			}
			done = done || kind == unix.NLMSG_DONE
			if e, ok := linkEventOf(kind, body); ok {
				found = append(found, e)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// named finds the interface that has a name at present. Of several, in a moment of renaming, it is the newest one.
func (w *linkWatch) named(name string) (link, bool) {
	var found link
	for _, l := range w.known {
		if l.name == name && l.index > found.index {
			found = l
		}
	}
	return found, found.index != 0
}

// names are those of all interfaces, in the order of their numbers.
func (w *linkWatch) names() (names []string) {
	for _, l := range slices.SortedFunc(maps.Values(w.known), func(a, b link) int { return cmp.Compare(a.index, b.index) }) {
		names = append(names, l.name)
	}
	return names
}

// linkEventOf reads the body of an RTM_NEWLINK or RTM_DELLINK message. Those of bridges about their ports (AF_BRIDGE) are not about the interface itself.
func linkEventOf(kind uint16, body []byte) (e linkEvent, ok bool) {
	e.gone = kind == unix.RTM_DELLINK
	if !e.gone && kind != unix.RTM_NEWLINK || len(body) < unix.SizeofIfInfomsg || body[0] != unix.AF_UNSPEC {
		return e, false
	}
	const running = unix.IFF_UP | unix.IFF_RUNNING
	e.hardware, e.index = binary.NativeEndian.Uint16(body[2:]), int(int32(binary.NativeEndian.Uint32(body[4:])))
	e.up = binary.NativeEndian.Uint32(body[8:])&running == running
	for kind, value, rest, more := nextAttribute(body[unix.SizeofIfInfomsg:]); more; kind, value, rest, more = nextAttribute(rest) {
		if kind == unix.IFLA_IFNAME {
			e.name = unix.ByteSliceToString(value)
		}
	}
	return e, true
}
