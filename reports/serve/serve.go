// Package serve shows a watch that goes on over HTTP: a page for people, metrics, health, and the audit as JSON. It answers only what was asked by an allowed name, in a bounded
// number of connections, and takes nothing.
//
// The watching goroutine never waits for a client: it leaves what it knows behind (Publish, Show, Alert), and looks now and then whether somebody asks for an audit (Asked).
package serve

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"pcapaudit/classify"
	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
)

// Limits of what clients can have.
const (
	MaxConnections = 64 // further ones are closed at once
	MaxStreams     = 8  // of events, among them
	maxDownloads   = 4  // of audits at the same time

	maxHeader   = 8 << 10          // bytes of a request's head
	headerSlack = 4 << 10          // that net/http reads beyond its limit
	headerTime  = 5 * time.Second  // for the head to arrive
	idleTime    = 30 * time.Second // between two requests of a connection
	answerTime  = 60 * time.Second // for an answer to be taken
	auditWait   = 4 * time.Second  // that a request waits for a newer audit
	freshAudit  = 2 * time.Second  // an audit younger than this is not made anew
	aliveAfter  = 5 * time.Second  // without a Publish or Tick the watch does not run any more
)

// Options of a Server.
type Options struct {
	Version, Runtime string           // of this program, and of Go
	Clock            func() time.Time // the machine's
	Hosts            []string         // names by which clients may ask, beside localhost and the address they are connected to
	Token            []byte           // that requests must bear; nil: none
	TLS              *tls.Config      // nil: plain
}

// State is what the watch is at a moment. Nobody changes it any more once it is published. Counts are since the watch began.
type State struct {
	Status    reports.Status // without rates, events and when the audit was made: the Server knows them
	At        time.Time
	Packets   uint64  // delivered
	Bytes     uint64  // that were captured
	Classes   []Count // packets
	Verdicts  []Count // connections
	Evicted   uint64
	Counters  monitor.Counters
	Reloads   uint64        // of rules, taken
	Refused   uint64        // of rules, not taken
	AuditCost time.Duration // of the last audit for this server; 0: none was made
	Confined  []Count       // measures of the sandbox: 1 where it is enforced, 0 where the system cannot
}

// Count is a number by a name out of a fixed list.
type Count struct {
	Name string
	N    uint64
}

// Server is given its connections by Serve.
type Server struct {
	o     Options
	http  http.Server
	token [sha256.Size]byte
	names map[string]bool

	ticked   atomic.Int64 // ns of Options.Clock
	state    atomic.Pointer[State]
	audit    atomic.Pointer[shown]
	declined atomic.Pointer[refused]
	asked    atomic.Bool
	samples  []sample // of the watching goroutine
	hub      *hub
	pages    pages

	downloads chan struct{}
	open      atomic.Int64
	turned    atomic.Uint64 // connections beyond the limit
	answers   [6]atomic.Uint64
}

// shown is an audit and when it was made.
type shown struct {
	audit *classify.Audit
	at    time.Time
	when  int64 // by the packet clock
}

// refused is why there was no audit when one was asked for.
type refused struct {
	why string
	at  time.Time
}

// New returns a Server that knows nothing yet.
func New(o Options) *Server {
	s := &Server{o: o, token: sha256.Sum256(o.Token), names: map[string]bool{"localhost": true}, downloads: make(chan struct{}, maxDownloads)}
	for _, name := range o.Hosts {
		s.names[strings.ToLower(strings.TrimSuffix(name, "."))] = true
	}
	s.hub = newHub()
	s.http = http.Server{Handler: s.guard(s.routes()), ReadHeaderTimeout: headerTime, ReadTimeout: 2 * headerTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader - headerSlack, ErrorLog: log.New(io.Discard, "", 0), Protocols: new(http.Protocols), DisableGeneralOptionsHandler: true}
	s.http.Protocols.SetHTTP1(true) // one request at a time on a connection, so that connections are what is limited
	return s
}

// Serve answers on the connections of l until Close.
func (s *Server) Serve(l net.Listener) error {
	go s.hub.run()
	l = &limited{Listener: l, open: &s.open, turned: &s.turned}
	if s.o.TLS != nil {
		l = tls.NewListener(l, s.o.TLS)
	}
	if err := s.http.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// Close ends all streams, and all other answers when ctx is done.
func (s *Server) Close(ctx context.Context) {
	s.hub.close()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

// Tick says that the watch runs.
func (s *Server) Tick() { s.ticked.Store(s.o.Clock().UnixNano()) }

// Publish tells the state. It is called by one goroutine, about every second.
func (s *Server) Publish(next *State) {
	s.samples = append(s.samples, sample{next.At, next.Packets, next.Bytes})
	if len(s.samples) > rateSamples {
		s.samples = s.samples[1:]
	}
	next.Status.PacketRate, next.Status.BitRate = rates(s.samples)
	s.state.Store(next)
	s.Tick()
	s.hub.wake()
}

// Asked says whether somebody waits for an audit of now.
func (s *Server) Asked() bool { return s.asked.Load() }

// Show gives the audit so far, which nobody changes any more. when is the packet clock, ns since 1970 UTC.
func (s *Server) Show(a *classify.Audit, when int64) {
	s.asked.Store(false)
	s.declined.Store(nil)
	s.audit.Store(&shown{a, s.o.Clock(), when})
	s.hub.wake()
}

// Decline says why there is no newer audit.
func (s *Server) Decline(why string) {
	s.asked.Store(false)
	s.declined.Store(&refused{why, s.o.Clock()})
	s.hub.wake()
}

// Alert has an alert shown. Where too many wait, it is counted as lost.
func (s *Server) Alert(a monitor.Alert) { s.hub.put(a) }

// alive says whether the watch runs.
func (s *Server) alive() bool {
	ticked := s.ticked.Load()
	return ticked != 0 && s.o.Clock().UnixNano()-ticked < int64(aliveAfter)
}

// sample is what had been seen at a time.
type sample struct {
	at             time.Time
	packets, bytes uint64
}

// rateSamples is over how many states rates are taken.
const rateSamples = 10

// rates are packets and bits a second over the samples.
func rates(list []sample) (packets, bits float64) {
	first, last := list[0], list[len(list)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 || last.packets < first.packets || last.bytes < first.bytes {
		return 0, 0
	}
	return float64(last.packets-first.packets) / seconds, 8 * float64(last.bytes-first.bytes) / seconds
}

// limited closes connections beyond MaxConnections.
type limited struct {
	net.Listener
	open   *atomic.Int64
	turned *atomic.Uint64
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= MaxConnections {
			return &counted{Conn: c, open: l.open}, nil
		}
		l.open.Add(-1)
		l.turned.Add(1)
		c.Close()
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *counted) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}
