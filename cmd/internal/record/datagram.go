package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pcapaudit/cmd/internal/netns"
)

// datagram sends UDP to a host, a broadcast or a multicast address.
type datagram struct {
	from, to string
	port     int
	sport    int // 0: the kernel picks
	six      bool
	payload  []byte // nil: filler
	answered bool   // waits for an answer
	count    int    // datagrams; 0: one
}

func (d datagram) String() string { return fmt.Sprintf("%s sends udp/%d to %s", d.from, d.port, d.to) }

func (d datagram) do(l *lab) error {
	n, err := l.node(d.from)
	if err != nil {
		return err
	}
	to, err := l.address(d.to, d.six)
	if err != nil {
		return err
	}
	var c net.PacketConn
	err = netns.In(n.space, func() error {
		c, err = n.datagrams(l, d.sport, to)
		return err
	})
	if err != nil {
		return err
	}
	defer c.Close()
	payload := d.payload
	if payload == nil {
		payload = text(80)
	}
	for range max(d.count, 1) {
		if _, err := c.WriteTo(payload, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, uint16(d.port)))); err != nil {
			return err
		}
		if !d.answered {
			continue
		}
		c.SetReadDeadline(time.Now().Add(2 * time.Second))
		if _, _, err := c.ReadFrom(make([]byte, 2048)); err != nil {
			return err
		}
	}
	return nil
}

// datagrams opens a UDP socket in the thread's namespace that may broadcast and leaves by the host's interface.
func (n *node) datagrams(l *lab, sport int, to netip.Addr) (net.PacketConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, rc syscall.RawConn) error {
		var errs []error
		err := rc.Control(func(fd uintptr) {
			errs = append(errs, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.BindToDevice(int(fd), "eth0"))
		})
		return errors.Join(append(errs, err)...)
	}}
	network := "udp4"
	if to.Is6() {
		network = "udp6"
	}
	return lc.ListenPacket(l.ctx, network, fmt.Sprintf(":%d", sport))
}

// echo sends ICMP echo requests; the responder's kernel answers.
type echo struct {
	from, to string
	six      bool
	count    int
}

func (e echo) String() string { return e.from + " pings " + e.to }

func (e echo) do(l *lab) error {
	n, err := l.node(e.from)
	if err != nil {
		return err
	}
	to, err := l.address(e.to, e.six)
	if err != nil {
		return err
	}
	network, kind := "ip4:icmp", byte(8)
	if e.six {
		network, kind = "ip6:ipv6-icmp", 128
	}
	var c net.Conn
	if err := netns.In(n.space, func() error { c, err = net.Dial(network, to.String()); return err }); err != nil {
		return err
	}
	defer c.Close()
	for seq := range max(e.count, 1) {
		if _, err := c.Write(echoRequest(kind, uint16(seq+1))); err != nil {
			return err
		}
		l.sleep(20 * time.Millisecond)
	}
	return nil
}

// echoRequest is an ICMP echo request of RFC 792; the kernel fills the checksum of RFC 4443's.
func echoRequest(kind byte, seq uint16) []byte {
	b := []byte{kind, 0, 0, 0, 0x50, 0x43}
	b = append(binary.BigEndian.AppendUint16(b, seq), text(48)...)
	if kind != 8 {
		return b
	}
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return b
}
