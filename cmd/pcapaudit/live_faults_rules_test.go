//go:build linux && namespaces

package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// faultRules has the rules loaded anew again and again while packets come, half of the time with files that are broken: then the old rules stay,
// and the alert says where the error is. No packet is lost by it.
func faultRules(t *testing.T, s *stand) {
	rounds := 4
	if long() {
		rounds = 100
	}
	a := s.start("--report", "report.json", "--alerts", "alerts.json", "--state", "state", "--checkpoint", "1s")
	stop, far := make(chan struct{}), s.sender()
	var load sync.WaitGroup
	load.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			s.sent++
			for _, frame := range conversation(sourcePort(s.sent), 9000) {
				far.send(frame)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	broken := []struct{ name, text, says string }{
		{"site.yaml", strings.Replace(siteText, "hosts:", "hosts: [", 1), `site\.yaml:\d+:\d+`},
		{"pack.yaml", strings.Replace(packText, "need:", "needs:", 1), `pack\.yaml:\d+:\d+.*needs`},
		{"site.yaml", siteText[:len(siteText)-30], `site\.yaml:\d+:\d+`},
		{"pack.yaml", "", `pack\.yaml`},
	}
	held := 0
	for i := range rounds {
		b := broken[i%len(broken)]
		whole := s.read(b.name)
		s.write(b.name, b.text)
		if b.text == "" {
			os.Remove(s.path(b.name))
		}
		a.signal(syscall.SIGHUP)
		told := s.alert("alerts.json", "reload", 2*i+1)
		if !strings.Contains(told.Text, "stay as they were") || !regexp.MustCompile(b.says).MatchString(told.Text) {
			t.Errorf("%s broken: %s", b.name, told.Text)
		}
		s.write(b.name, whole)
		s.slowly("site.yaml", strings.Replace(siteText, "test bench", fmt.Sprint("test bench ", i+2), 1))
		if i%2 == 0 {
			a.signal(syscall.SIGHUP)
		} // else it is found
		told = s.alert("alerts.json", "reload", 2*i+2)
		if !strings.Contains(told.Text, "other rules hold") {
			t.Fatalf("a good site: %s", told.Text)
		}
		held++
	}
	close(stop)
	load.Wait()
	far.close()
	time.Sleep(300 * time.Millisecond)
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	audit := s.audit("report.json")
	l := audit.Coverage.Live[0]
	t.Logf("%d packets, %d dropped, %d connections, %d versions of the rules", l.Kernel, l.Dropped, audit.Connections.Emitted, len(audit.Rules))
	if l.Dropped != 0 || l.Delivered != uint64(s.sent*packetsOfConversation) || l.Blind != 0 {
		t.Errorf("%d conversations were held: %+v", s.sent, l)
	}
	if len(audit.Rules) != held+1 || audit.Rules[0].Site.Name != "test bench" || audit.Site.Name != fmt.Sprint("test bench ", rounds+1) {
		t.Errorf("%d reloads, and the report lists %+v", held, audit.Rules)
	}
}

// slowly writes a file piece by piece, as an editor over a slow link does.
func (s *stand) slowly(name, content string) {
	s.t.Helper()
	f, err := os.Create(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for len(content) > 0 {
		n := min(len(content), 100)
		if _, err := f.WriteString(content[:n]); err != nil {
			s.t.Fatal(err)
		}
		content = content[n:]
		time.Sleep(50 * time.Millisecond)
	}
}
