package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"pcapaudit/cmd/internal/netns"
)

// dial opens a TCP connection and exchanges a few hundred bytes over it.
type dial struct {
	from, to string // host names; to may be an address
	port     int
	speak    string // plain, tls, http, https, rev (a line that the responder turns round, over TLS)
	sport    int    // source port; 0: the kernel picks
	six      bool   // over IPv6
	rounds   int    // exchanges; 0: one
	keep     string // the connection stays open under this name
	name     string // server name of TLS, or host of HTTP
	fails    string // the only acceptable end: refused, unanswered
	old      bool   // TLS 1.2 at most
	split    bool   // the first thing sent comes in segments of 200 bytes
}

func (d dial) String() string { return fmt.Sprintf("%s opens tcp/%d to %s", d.from, d.port, d.to) }

// session is a connection that stays open; more exchanges follow on it.
type session struct{ conn net.Conn }

func (d dial) do(l *lab) error {
	n, err := l.node(d.from)
	if err != nil {
		return err
	}
	c, err := d.open(l, n)
	switch {
	case d.fails == "refused" && errors.Is(err, syscall.ECONNREFUSED), d.fails == "unanswered" && isTimeout(err):
		return nil
	case err != nil:
		return err
	case d.fails != "":
		c.Close()
		return fmt.Errorf("connected, not %s", d.fails)
	}
	if d.keep == "" {
		defer c.Close()
	}
	wrapped, err := d.speakOn(l, c)
	if err != nil {
		return err
	}
	if d.keep != "" {
		l.flows[d.keep] = &session{wrapped}
		return nil
	}
	return hangUp(wrapped)
}

// hangUp ends an orderly conversation: this side says that it has no more, and leaves when the other has said the same.
func hangUp(c net.Conn) error {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		if err := w.CloseWrite(); err != nil {
			return err
		}
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	io.Copy(io.Discard, c)
	return c.Close()
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// open connects from a host's namespace. What is to stay unanswered is given up after its second SYN.
func (d dial) open(l *lab, n *node) (c net.Conn, err error) {
	to, err := l.address(d.to, d.six)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1}
	if d.fails == "unanswered" {
		dialer.Timeout = 1500 * time.Millisecond
	}
	if d.sport != 0 {
		dialer.LocalAddr = &net.TCPAddr{Port: d.sport}
	}
	err = netns.In(n.space, func() error {
		c, err = dialer.DialContext(l.ctx, "tcp", netip.AddrPortFrom(to, uint16(d.port)).String())
		return err
	})
	return c, err
}

func (l *lab) address(to string, six bool) (netip.Addr, error) {
	if a, err := netip.ParseAddr(to); err == nil {
		return a, nil
	}
	n, err := l.node(to)
	if err != nil {
		return netip.Addr{}, err
	}
	a := n.v4
	if six {
		a = n.v6
	}
	if !a.IsValid() {
		return a, fmt.Errorf("host %s has no such address", to)
	}
	return a, nil
}

func (d dial) speakOn(l *lab, c net.Conn) (net.Conn, error) {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	switch d.speak {
	case "tls", "https", "rev":
		config := l.keys.originator(d.serverName())
		if d.old {
			config.MaxVersion = tls.VersionTLS12
		}
		if d.split {
			c = &splitter{TCPConn: c.(*net.TCPConn)}
		}
		t := tls.Client(c, config)
		if err := t.Handshake(); err != nil {
			return nil, fmt.Errorf("shake hands: %w", err)
		}
		c = t
	}
	for range max(d.rounds, 1) {
		var err error
		switch d.speak {
		case "http", "https":
			err = d.get(c)
		case "rev":
			err = reverse(c)
		default:
			err = exchange(c, 300, 700)
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// splitter sends the first write of a connection in small segments, one packet each.
type splitter struct {
	*net.TCPConn
	wrote bool
}

func (s *splitter) Write(b []byte) (int, error) {
	if s.wrote {
		return s.TCPConn.Write(b)
	}
	s.wrote = true
	n := 0
	for piece := range slices.Chunk(b, 200) { // TCP_NODELAY is Go's default
		m, err := s.TCPConn.Write(piece)
		if n += m; err != nil {
			return n, err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return n, nil
}

func (d dial) serverName() string {
	if d.name != "" {
		return d.name
	}
	return strings.ReplaceAll(d.to, ".", "-") + ".backup.example"
}

// get asks for one page over an open connection.
func (d dial) get(c net.Conn) error {
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return keptOpen{c}, nil }}
	r, err := http.NewRequest("GET", "http://"+d.serverName()+"/", nil)
	if err != nil {
		return err
	}
	resp, err := t.RoundTrip(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// keptOpen lets a transport finish with a connection that the caller closes.
type keptOpen struct{ net.Conn }

func (keptOpen) Close() error { return nil }

func reverse(c net.Conn) error {
	if _, err := c.Write(append(text(200), '\n')); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 201))
	return err
}

// more sends on a kept session; last closes it.
type more struct {
	keep string
	last bool
}

func (m more) String() string { return "more on session " + m.keep }

func (m more) do(l *lab) error {
	s := l.flows[m.keep]
	if s == nil {
		return errors.New("no such session")
	}
	if err := exchange(s.conn, 200, 500); err != nil {
		return err
	}
	if m.last {
		delete(l.flows, m.keep)
		return hangUp(s.conn)
	}
	return nil
}

// tool runs a real originator's program in a host's namespace. {HOST} in an argument stands for that host's IPv4 address, {dir} for the
// scratch directory.
type tool struct {
	from string
	args []string
	may  bool // may end with an error: what it must leave on the wire it has left by then
}

func call(from string, args ...string) tool { return tool{from: from, args: args} }

func (t tool) String() string { return t.from + " runs " + strings.Join(t.args, " ") }

func (t tool) do(l *lab) error {
	n, err := l.node(t.from)
	if err != nil {
		return err
	}
	_, err = l.inside(n, l.expand(t.args)...)
	if t.may {
		return nil
	}
	return err
}

func (l *lab) expand(args []string) []string {
	var pairs []string
	for name, n := range l.nodes {
		pairs = append(pairs, "{"+name+"}", n.v4.String())
	}
	r := strings.NewReplacer(append(pairs, "{dir}", l.dir)...)
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = r.Replace(a)
	}
	return out
}
