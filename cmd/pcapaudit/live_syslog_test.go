package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pcapaudit/classify/monitor"
)

// TestSyslogBeginsAnew has the receiver of messages begin anew between two of them: none is lost.
func TestSyslogBeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s, err := newSyslog("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second"} {
		receiver, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		s.tried = time.Time{} // long ago
		if err := s.send(&monitor.Alert{Kind: monitor.KindHeartbeat, Severity: "info"}, text); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1024)
		if n, err := receiver.Read(b); err != nil || !strings.HasSuffix(string(b[:n]), " - "+text) {
			t.Errorf("received %q, %v", b[:n], err)
		}
		receiver.Close()
		os.Remove(path)
	}
	if s.conn != nil {
		s.conn.Close()
	}
}
