package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestServeFlags(t *testing.T) {
	const others = "others than this machine could see it"
	for _, c := range []struct {
		flags serveFlags
		want  string
	}{
		{serveFlags{}, ""},
		{serveFlags{listen: "127.0.0.1:9780"}, ""},
		{serveFlags{listen: "127.9.9.9:1"}, ""},
		{serveFlags{listen: "[::1]:9780"}, ""},
		{serveFlags{listen: "localhost:9780"}, ""},
		{serveFlags{listen: "0.0.0.0:9780"}, others},
		{serveFlags{listen: ":9780"}, others},
		{serveFlags{listen: "[::]:9780"}, others},
		{serveFlags{listen: "192.0.2.1:9780"}, others},
		{serveFlags{listen: "[::ffff:192.0.2.1]:9780"}, others},
		{serveFlags{listen: "192.0.2.1:9780", token: "t"}, others},
		{serveFlags{listen: "192.0.2.1:9780", cert: "c", key: "k"}, others},
		{serveFlags{listen: "192.0.2.1:9780", cert: "c", key: "k", token: "t"}, ""},
		{serveFlags{listen: "192.0.2.1:9780", cert: "c", key: "k", clientCA: "a"}, ""},
		{serveFlags{listen: "127.0.0.1:9780", clientCA: "a"}, "--client-ca needs --tls-cert"},
		{serveFlags{listen: "127.0.0.1:9780", cert: "c"}, "go together"},
		{serveFlags{listen: "127.0.0.1"}, "write an address and a port"},
		{serveFlags{listen: "127.0.0.1:"}, "write an address and a port"},
		{serveFlags{listen: "watch.example:9780"}, "write an address and a port"},
		{serveFlags{listen: "127.0.0.1:9780", hosts: []string{"watch.example.", "192.0.2.1", "2001:db8::1"}}, ""},
		{serveFlags{listen: "127.0.0.1:9780", hosts: []string{"watch.example:9780"}}, "without scheme and port"},
		{serveFlags{listen: "127.0.0.1:9780", hosts: []string{"https://watch.example"}}, "without scheme and port"},
		{serveFlags{listen: "127.0.0.1:9780", hosts: []string{""}}, "without scheme and port"},
		{serveFlags{token: "t"}, "need --listen"},
		{serveFlags{hosts: []string{"x"}}, "need --listen"},
	} {
		err := c.flags.check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.flags, err, c.want)
		}
	}
}

func TestTokenFile(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"good", strings.Repeat("a", shortestToken) + "\n", 0o600, ""},
		{"group", strings.Repeat("a", shortestToken), 0o640, ""},
		{"short", strings.Repeat("a", shortestToken-1), 0o600, "at least 32"},
		{"two", strings.Repeat("a", shortestToken) + "\nb", 0o600, "one line"},
		{"odd", strings.Repeat("a", shortestToken) + "é", 0o600, "ASCII"},
		{"open", strings.Repeat("a", shortestToken), 0o644, "everybody"},
		{"big", strings.Repeat("a", maxSecretFile+1), 0o600, "at most 64 KiB"},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if c.mode&0o007 != 0 && runtime.GOOS == "windows" {
			continue // there are no such modes
		}
		token, err := (&serveFlags{token: path}).bearer()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || err == nil && len(token) != shortestToken {
			t.Errorf("%s: %q, %v, want %q", c.name, token, err, c.want)
		}
	}
	if _, err := (&serveFlags{token: filepath.Join(dir, "none")}).bearer(); codeOf(err) != exitUsage {
		t.Errorf("no file: %v", err)
	}
}

// TestAuditsForClientsAreBounded holds how long an audit may keep packets waiting: as long as the rings are sure to have room.
func TestAuditsForClientsAreBounded(t *testing.T) {
	const ring = 32 << 20
	for _, c := range []struct {
		load float64
		want time.Duration
	}{{0, time.Second}, {leastLoad, time.Second}, {50e6, 168 * time.Millisecond}, {500e6, 17 * time.Millisecond}} {
		if got := (&liveServe{load: c.load}).allowed(ring); got.Round(time.Millisecond) != c.want {
			t.Errorf("at %g bytes a second: %v, want %v", c.load, got, c.want)
		}
	}
	if got := (&liveServe{}).allowed(1 << 20); got.Round(time.Millisecond) != 33*time.Millisecond {
		t.Errorf("a ring of 1 MiB: %v", got)
	}
}
