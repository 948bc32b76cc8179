//go:build linux

package capture

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"

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
	fd    int
	buf   [64 << 10]byte // larger than any message
	known map[int]link   // by index
}

// openLinkWatch begins to listen, and then asks what is there.
func openLinkWatch() (*linkWatch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("opening a socket for changes of interfaces: %w", err)
	}
	w := &linkWatch{fd: fd, known: map[int]link{}}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		w.close()
		return nil, fmt.Errorf("listening for changes of interfaces: %w", err)
	}
	if _, err := w.compare(nil); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *linkWatch) close() { unix.Close(w.fd) }

// changed gives what has happened since the last call, in its order, without waiting.
func (w *linkWatch) changed() ([]linkEvent, error) {
	var events []linkEvent
	for {
		n, _, err := unix.Recvfrom(w.fd, w.buf[:], 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return events, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS): // there were too many: what they led to is to be asked for
			return w.compare(events)
		case err != nil:
			return events, fmt.Errorf("reading changes of interfaces: %w", err)
		}
		told, err := linkEvents(w.buf[:n])
		if err != nil {
			return events, err
		}
		for _, e := range told {
			w.learn(e)
		}
		events = append(events, told...)
	}
}

func (w *linkWatch) learn(e linkEvent) {
	if e.gone {
		delete(w.known, e.index)
	} else {
		w.known[e.index] = e.link
	}
}

// compare asks for all interfaces and adds the differences to what was known to events.
func (w *linkWatch) compare(events []linkEvent) ([]linkEvent, error) {
	table, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return events, fmt.Errorf("listing interfaces: %w", err)
	}
	found, err := linkEvents(table)
	if err != nil {
		return events, err
	}
	gone := maps.Clone(w.known)
	for _, e := range found {
		if before, ok := w.known[e.index]; !ok || before != e.link {
			events = append(events, e)
		}
		w.learn(e)
		delete(gone, e.index)
	}
	for _, index := range slices.Sorted(maps.Keys(gone)) {
		e := linkEvent{gone[index], true}
		w.learn(e)
		events = append(events, e)
	}
	return events, nil
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

// linkEvents reads RTM_NEWLINK and RTM_DELLINK messages. Those of bridges about their ports (AF_BRIDGE) are not about the interface itself.
func linkEvents(b []byte) (events []linkEvent, err error) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil, fmt.Errorf("reading changes of interfaces: %w", err)
	}
	for i := range messages {
		m := &messages[i]
		gone := m.Header.Type == unix.RTM_DELLINK
		if !gone && m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg || m.Data[0] != unix.AF_UNSPEC {
			continue
		}
		const running = unix.IFF_UP | unix.IFF_RUNNING
		e := linkEvent{gone: gone, link: link{hardware: binary.NativeEndian.Uint16(m.Data[2:]), index: int(int32(binary.NativeEndian.Uint32(m.Data[4:]))),
			up: binary.NativeEndian.Uint32(m.Data[8:])&running == running}}
		attributes, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			return nil, fmt.Errorf("reading changes of interfaces: %w", err)
		}
		for _, a := range attributes {
			if a.Attr.Type == unix.IFLA_IFNAME {
				e.name = unix.ByteSliceToString(a.Value)
			}
		}
		events = append(events, e)
	}
	return events, nil
}
