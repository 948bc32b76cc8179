package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/classify/monitor"
)

// syslog sends messages of RFC 5424: as datagrams (RFC 5426), or over TCP with their length before them (RFC 6587, section 3.4.1). A connection
// that breaks is made again, not sooner than retrySyslog after the last attempt.
type syslog struct {
	network, addr string
	host          string
	conn          net.Conn
	tried         time.Time
	silent        bool // the failure was told
}

const (
	syslogFacility = 3 // system daemons (RFC 5424, table 1)
	syslogTimeout  = 2 * time.Second
	retrySyslog    = 10 * time.Second
)

// newSyslog understands "local", "unix:PATH", "udp:HOST:PORT" and "tcp:HOST:PORT". Nothing is connected yet.
func newSyslog(text string) (*syslog, error) {
	s := &syslog{host: "-"}
	if name, err := os.Hostname(); err == nil && name != "" {
		s.host = name
	}
	network, addr, _ := strings.Cut(text, ":")
	switch network {
	case "local":
		s.network, s.addr = "unixgram", "/dev/log"
	case "unix":
		s.network, s.addr = "unixgram", addr
	case "udp", "tcp":
		s.network, s.addr = network, addr
		if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("--syslog %q: write %s:HOST:PORT", text, network)
		}
	}
	if s.addr == "" {
		return nil, fmt.Errorf("--syslog %q: write local, unix:PATH, udp:HOST:PORT or tcp:HOST:PORT", text)
	}
	return s, nil
}

// syslogSeverity is the severity of RFC 5424, table 2.
func syslogSeverity(word string) int {
	switch word {
	case "high":
		return 2 // critical
	case "medium":
		return 4 // warning
	case "low":
		return 5 // notice
	}
	return 6 // informational
}

// message is one without structured data; the text has no control characters.
func (s *syslog) message(a *monitor.Alert, text string) []byte {
	b := fmt.Appendf(nil, "<%d>1 %s %s pcapaudit %d %s - %s", syslogFacility*8+syslogSeverity(a.Severity), flow.Time(a.Time).Format("2006-01-02T15:04:05.000000Z"),
		s.host, os.Getpid(), a.Kind, text)
	if s.network == "tcp" {
		return append(append(strconv.AppendInt(nil, int64(len(b)), 10), ' '), b...)
	}
	return b
}

// send sends an alert; once more where the connection shows only now that it is broken, because whoever receives began anew.
func (s *syslog) send(a *monitor.Alert, text string) error {
	message, was := s.message(a, text), s.conn
	err := s.write(message)
	if err != nil && was != nil && !errors.Is(err, os.ErrDeadlineExceeded) && s.write(message) == nil {
		return nil
	}
	return err
}

func (s *syslog) write(message []byte) error {
	if s.conn == nil {
		if time.Since(s.tried) < retrySyslog {
			return fmt.Errorf("syslog %s: not connected", s.addr)
		}
		s.tried = time.Now()
		conn, err := net.DialTimeout(s.network, s.addr, syslogTimeout)
		if err != nil {
			return fmt.Errorf("syslog: %w", err)
		}
		s.conn = conn
	}
	s.conn.SetWriteDeadline(time.Now().Add(syslogTimeout))
	if _, err := s.conn.Write(message); err != nil {
		s.conn.Close()
		s.conn = nil
		return fmt.Errorf("syslog: %w", err)
	}
	s.silent = false
	return nil
}

// tell says once that messages do not get through.
func (s *syslog) tell(u *ui, err error) {
	if !s.silent {
		u.warn("%v; alerts are counted until they can be sent again", err)
	}
	s.silent = true
}
