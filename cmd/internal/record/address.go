package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"pcapaudit/cmd/internal/netns"
)

// lease gets an address by DHCP (RFC 2131), from nothing and by broadcast, as a machine does that boots from the network; the host then has it.
type lease struct {
	from string
	pxe  bool
}

func (a lease) String() string { return a.from + " asks for an address" }

func (a lease) do(l *lab) error {
	n, err := l.node(a.from)
	if err != nil {
		return err
	}
	var c net.PacketConn
	everyone := netip.MustParseAddr("255.255.255.255")
	if err := netns.In(n.space, func() error { c, err = n.datagrams(l, 68, everyone); return err }); err != nil {
		return err
	}
	defer c.Close()
	offer, err := ask(c, a.message(1, netip.Addr{}, netip.Addr{}))
	if err != nil {
		return fmt.Errorf("discover: %w", err)
	}
	ack, err := ask(c, a.message(3, offer.address, offer.server))
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if ack.address != offer.address {
		return fmt.Errorf("got %v after the offer of %v", ack.address, offer.address)
	}
	if err := n.addAddress(l, ack.address.String()+"/24"); err != nil {
		return err
	}
	return l.ip(n.space, "route", "replace", "default", "dev", "eth0", "src", ack.address.String())
}

type answer struct{ address, server netip.Addr }

// ask broadcasts a message and reads the first answer to it.
func ask(c net.PacketConn, message []byte) (answer, error) {
	everyone := &net.UDPAddr{IP: net.IPv4bcast, Port: 67}
	if _, err := c.WriteTo(message, everyone); err != nil {
		return answer{}, err
	}
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 1500)
	n, from, err := c.ReadFrom(b)
	if err != nil {
		return answer{}, err
	}
	if n < 240 {
		return answer{}, errors.New("answer too short")
	}
	return answer{netip.AddrFrom4([4]byte(b[16:20])), from.(*net.UDPAddr).AddrPort().Addr().Unmap()}, nil
}

// message is a request with the broadcast flag set, since a host without an address cannot take a unicast answer.
func (a lease) message(kind byte, want, server netip.Addr) []byte {
	m := make([]byte, 240, 320)
	m[0], m[1], m[2] = 1, 1, 6
	binary.BigEndian.PutUint32(m[4:], 0x70636170)
	m[10] = 0x80
	copy(m[28:], []byte{2, 0, 0x5e, 0x10, 0xff, 1})
	copy(m[236:], []byte{99, 130, 83, 99})
	m = append(m, 53, 1, kind)
	if want.IsValid() {
		m = append(append(m, 50, 4), want.AsSlice()...)
		m = append(append(m, 54, 4), server.AsSlice()...)
	}
	m = append(m, 55, 3, 1, 66, 67)
	if a.pxe {
		m = append(append(m, 60, 32), "PXEClient:Arch:00000:UNDI:002001"...)
	}
	return append(m, 255)
}

// renewal asks a DHCP server for the settings of an address that the host has already (RFC 2131, DHCPINFORM): unicast from port 68.
type renewal struct{ from, server string }

func (r renewal) String() string { return r.from + " renews its settings" }

func (r renewal) do(l *lab) error {
	n, err := l.node(r.from)
	if err != nil {
		return err
	}
	to, err := l.address(r.server, false)
	if err != nil {
		return err
	}
	m := lease{}.message(8, netip.Addr{}, netip.Addr{})
	m[10] = 0
	copy(m[12:], n.v4.AsSlice())
	return datagram{from: r.from, to: to.String(), port: 67, sport: 68, payload: m, answered: true}.do(l)
}
