package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"pcapaudit/cmd/internal/netns"
)

// listener stands in for a product that is not to be had: it answers on the documented ports of one host, with the project's own protocol.
type listener struct {
	host  string
	speak string // plain, tls, mtls (asks for a certificate), http, https, udp, udp-silent (takes datagrams, answers none)
	ports []int
}

func listen(host, speak string, ports ...int) listener {
	return listener{host: host, speak: speak, ports: ports}
}

func (s listener) String() string {
	return fmt.Sprintf("%s listener of %s on %v", s.speak, s.host, s.ports)
}

func (s listener) start(l *lab) error {
	n, err := l.node(s.host)
	if err != nil {
		return err
	}
	return netns.In(n.space, func() error {
		for _, port := range s.ports {
			if err := s.open(l, n, port); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s listener) open(l *lab, n *node, port int) error {
	at := fmt.Sprintf(":%d", port)
	if strings.HasPrefix(s.speak, "udp") {
		c, err := net.ListenPacket("udp"+n.family(), at)
		if err != nil {
			return err
		}
		l.closers = append(l.closers, func() { c.Close() })
		go answerDatagrams(c, s.speak == "udp")
		return nil
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp"+n.family(), at)
	if err != nil {
		return err
	}
	l.closers = append(l.closers, func() { ln.Close() })
	switch s.speak {
	case "tls", "mtls", "https":
		ln = tls.NewListener(ln, l.keys.responder(s.speak == "mtls"))
	case "plain", "http":
	default:
		return fmt.Errorf("listener cannot speak %q", s.speak)
	}
	if strings.HasPrefix(s.speak, "http") {
		go http.Serve(ln, http.HandlerFunc(servePage))
		return nil
	}
	go acceptExchanges(ln)
	return nil
}

// family restricts a socket to IPv4 on a host that has nothing else.
func (n *node) family() string {
	if n.v6.IsValid() {
		return ""
	}
	return "4"
}

func servePage(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/plain")
	w.Write(text(400))
}

func acceptExchanges(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for answerExchange(c) == nil {
			}
		}()
	}
}

// An exchange is a head of two 32-bit lengths, that many bytes one way, and that many back.
const headSize = 8

func answerExchange(c net.Conn) error {
	var head [headSize]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	up, down := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
	if max(up, down) > 1<<16 {
		return errors.New("exchange too long")
	}
	if _, err := io.CopyN(io.Discard, c, int64(up)); err != nil {
		return err
	}
	_, err := c.Write(text(int(down)))
	return err
}

// exchange is the originator's part of answerExchange.
func exchange(c net.Conn, up, down int) error {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	b := binary.BigEndian.AppendUint32(nil, uint32(up))
	b = binary.BigEndian.AppendUint32(b, uint32(down))
	if _, err := c.Write(append(b, text(up)...)); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, down))
	return err
}

func answerDatagrams(c net.PacketConn, answer bool) {
	b := make([]byte, 2048)
	for {
		_, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		if answer {
			c.WriteTo(text(60), from)
		}
	}
}

// text is filler of n bytes.
func text(n int) []byte {
	return []byte(strings.Repeat("recorded for pcapaudit; ", n/24+1)[:n])
}
