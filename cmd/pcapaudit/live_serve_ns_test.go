//go:build linux && namespaces

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"pcapaudit/classify"
)

// TestLiveServe has the program watch an interface of a namespace and show what it sees over HTTP.
func TestLiveServe(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	program := filepath.Join(t.TempDir(), "pcapaudit")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, test := range map[string]func(*testing.T, *stand){"status": serveStatus, "acknowledged": serveAcknowledged, "hostile clients": serveHostile, "refused": serveRefused} {
		t.Run(name, func(t *testing.T) { test(t, newStand(t, program)) })
	}
}

var statusPage = regexp.MustCompile(`status page at http://(\S+)/`)

// page is where the program answers.
func (a *auditing) page() string {
	a.t.Helper()
	a.until("the page", func() bool { return statusPage.MatchString(a.said.String()) })
	return statusPage.FindStringSubmatch(a.said.String())[1]
}

// dial connects within the namespace: on this thread.
func (s *stand) dial(addr string) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// fetch asks for a path and gives status and body.
func (s *stand) fetch(addr, path string) (int, string) {
	s.t.Helper()
	c := s.dial(addr)
	defer c.Close()
	code, body, err := exchange(c, path)
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	return code, body
}

func exchange(c net.Conn, path string) (int, string, error) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
		return 0, "", err
	}
	got, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, "", err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	return got.StatusCode, string(body), err
}

// shows waits until what a path gives holds a text.
func (s *stand) shows(addr, path, text string) {
	s.t.Helper()
	s.until(path+" with "+text, func() bool {
		_, body := s.fetch(addr, path)
		return strings.Contains(body, text)
	})
}

func serveStatus(t *testing.T, s *stand) {
	a := s.start("--listen", "127.0.0.1:0", "--alerts", "alerts.json", "--report", "report.json", "--state", "state", "--checkpoint", "1s")
	addr := a.page()
	s.shows(addr, "/readyz", "ok")
	if code, body := s.fetch(addr, "/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("healthz: %d %q", code, body)
	}
	s.conversation(9000)
	s.conversation(22)
	s.shows(addr, "/api/findings", "client (bench/client) -\\u003e server (bench/server) tcp/22")
	s.until("an audit of both", func() bool {
		_, body := s.fetch(addr, "/api/audit")
		now, _, err := classify.Load(strings.NewReader(body))
		return err == nil && len(now.Residuals) == 0 && now.Connections.Created == 2
	})
	s.shows(addr, "/", "client (bench/client) -&gt; server (bench/server) tcp/22")
	for _, want := range []string{`pcapaudit_delivered_packets_total{interface="pa-near"} 14`, `pcapaudit_packets_total{class="decoded"} 14`, "pcapaudit_connections_open 2",
		`pcapaudit_alerts_total{kind="finding"} 1`, "pcapaudit_checkpoint_age_seconds", "pcapaudit_rules_reload_ok 1",
		"process_resident_memory_bytes", "process_cpu_seconds_total"} {
		s.shows(addr, "/metrics", want)
	}
	s.write("pack.yaml", packText+"nonsense: true\n")
	s.shows(addr, "/metrics", "pcapaudit_rules_reload_ok 0")
	s.shows(addr, "/", "The last change of rules or site was refused")
	s.ip("link set pa-near down")
	s.shows(addr, "/readyz", "pa-near is down")
	s.shows(addr, "/metrics", `pcapaudit_interface_up{interface="pa-near"} 0`)
	s.ip("link set pa-near up")
	s.shows(addr, "/readyz", "ok")
	if code := a.stop(syscall.SIGTERM); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, a.said.String())
	}
	s.audit("report.json")
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("somebody still answers")
	}
}

// serveAcknowledged has a finding acknowledged from the start: it is not told until the entry is taken out of the file.
func serveAcknowledged(t *testing.T, s *stand) {
	a := s.start("--alerts", "first.json", "--report", "first-report.json")
	s.conversation(22)
	s.alert("first.json", "finding", 1)
	a.stop(syscall.SIGTERM)
	id := s.audit("first-report.json").Findings[0].ID
	const head = "acknowledgements:\n"
	s.write("ack.yaml", head+"  - {finding: "+id+", until: 2099-01-01, who: R. Rivera, text: being replaced}\n")
	a = s.start("--alerts", "alerts.json", "--report", "report.json", "--acknowledge", "ack.yaml", "--listen", "127.0.0.1:0")
	addr := a.page()
	s.conversation(22)
	s.shows(addr, "/metrics", "pcapaudit_alerts_held_total 1")
	s.shows(addr, "/metrics", "pcapaudit_acknowledgements 1")
	s.shows(addr, "/", `<td>R. Rivera</td><td class="when">2099-01-01 00:00:00</td><td>being replaced</td>`)
	if list := s.alertsOf("alerts.json"); len(list) != 0 {
		t.Errorf("told all the same: %+v", list)
	}
	s.write("ack.yaml", "acknowledgements:\n  - {finding: "+id+"}\n")
	s.shows(addr, "/metrics", "pcapaudit_acknowledgements_reload_ok 0")
	s.shows(addr, "/metrics", "pcapaudit_acknowledgements 1")
	s.write("ack.yaml", "acknowledgements: []\n")
	if told := s.alert("alerts.json", "finding", 1); !strings.Contains(told.Text, "told again: acknowledged by R. Rivera until") {
		t.Errorf("%+v", told)
	}
	a.stop(syscall.SIGTERM)
}

// serveHostile has clients that open connections and leave them, ask for everything without a pause, and read nothing: no packet is lost by it. What is sent fits the rings,
// so that this depends on no machine's speed; LONG_FAULTS sends 50 times as much, beside 10,000 idle connections.
func serveHostile(t *testing.T, s *stand) {
	a := s.start("--listen", "127.0.0.1:0", "--alerts", "", "--report", "report.json")
	addr := a.page()
	var working []net.Conn
	for range 8 {
		working = append(working, s.dial(addr))
	}
	for range 2 {
		fmt.Fprint(s.dial(addr), "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	s.shows(addr, "/readyz", "ok")
	var ended atomic.Bool
	var done sync.WaitGroup
	var answered atomic.Uint64
	for i, c := range working {
		path := []string{"/", "/api/audit", "/metrics", "/api/findings"}[i%4]
		done.Go(func() {
			for !ended.Load() {
				if _, _, err := exchange(c, path); err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	conversations, clients := 3000, 1000
	if long() {
		conversations, clients = 50*conversations, 10*clients
	}
	var idle []net.Conn
	for range clients {
		idle = append(idle, s.dial(addr))
	}
	far := s.sender()
	defer far.close()
	for i := range conversations {
		for _, frame := range conversation(sourcePort(i), uint16(9000+i%200)) {
			far.send(frame)
		}
	}
	s.until("all packets", func() bool {
		return strings.Contains(metric(t, working[0], &ended, &done), fmt.Sprintf(`pcapaudit_kernel_packets_total{interface="pa-near"} %s`, exponent(conversations*packetsOfConversation)))
	})
	for _, c := range append(idle, working...) {
		c.Close()
	}
	a.stop(syscall.SIGTERM)
	in := s.audit("report.json").Coverage.Live[0]
	t.Logf("%d packets, %d dropped, %d answers", in.Kernel, in.Dropped, answered.Load())
	if in.Kernel != uint64(conversations*packetsOfConversation) || in.Dropped != 0 {
		t.Errorf("%d packets were sent: %+v", conversations*packetsOfConversation, in)
	}
}

// metric ends the clients and gives the metrics, by the connection of one of them.
func metric(t *testing.T, c net.Conn, ended *atomic.Bool, done *sync.WaitGroup) string {
	t.Helper()
	ended.Store(true)
	done.Wait()
	_, body, err := exchange(c, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// exponent writes a number as metrics have it.
func exponent(n int) string {
	text := fmt.Sprint(float64(n))
	if n < 1e6 {
		text = fmt.Sprint(n)
	}
	return text
}

// serveRefused starts with addresses that others could reach, and with one that is taken.
func serveRefused(t *testing.T, s *stand) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, args := range [][]string{{"--listen", "0.0.0.0:0"}, {"--listen", ":0"}, {"--listen", taken.Addr().String()}, {"--listen", "example.com:80"}, {"--acknowledge", "none.yaml"}, {"--tls-cert", "x"}} {
		code, said := s.refused(s.command(append(args, "--report", "report.json")...))
		if code != exitUsage {
			t.Errorf("%v: exit code %d\n%s", args, code, said)
		}
		if readText(s.path("report.json")) != "" {
			t.Errorf("%v: a report was written", args)
		}
	}
}
