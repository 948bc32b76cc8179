package reports

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// nasty are strings that an attacker would put into names, comments and file names.
var nasty = []string{
	"\x1b[2J\x1b]8;;http://evil\x07click", "\u009b31m", "a\nlevel=error msg=x", "a\rb", "\x00", "\xff\xfe", "\u202egnp.exe", "\u2066x\u2069",
	"zero\u200bwidth", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "<script>alert(1)</script>", `"onmouseover=`, "{{.}}", "line\u2028sep", "a|b`c`",
	strings.Repeat("x", 1<<16), `back\slash "quoted"`, "日本語",
	"\x1b]52;c;ZXZpbA==\x07", `"onmouseover=alert(1) x=`, "<img src=x onerror=alert(1)>", "<!-- ", "]]>", "<![CDATA[x", "&#60;b&gt;", "\t=1+1", " =1+1",
	"[x](javascript:alert(1))", "![x](http://evil.example/x.png)", "see http://evil.example/ and www.evil.example", "@admin, root@evil.example", "mailto:root@evil.example",
	"# head", "- item", "1. item", "> quote", "```", "``x`` `y", "~~x~~", "$x$", "*x* _y_ **z**", "---", "===", "| --- |", "[x]: http://evil.example", "[^1]", "[ ] todo", "{panel}", "trailing\\",
}

func TestCleanTextIsSafeOnATerminal(t *testing.T) {
	for _, s := range nasty {
		got := cleanText(s)
		if !utf8.ValidString(got) {
			t.Errorf("cleanText(%.40q) is not UTF-8", s)
		}
		for _, r := range got {
			if r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				t.Errorf("cleanText(%.40q) lets %U through", s, r)
			}
		}
		if n := utf8.RuneCountInString(got); n > 8*maxText+1 {
			t.Errorf("cleanText(%.20q) is %d runes long", s, n)
		}
	}
}

// TestFormatsSurviveHostileStrings puts the strings wherever a report shows foreign text, and reads every format back.
func TestFormatsSurviveHostileStrings(t *testing.T) {
	a := sampleAudit()
	for _, s := range nasty {
		a.Inputs = append(a.Inputs, classify.Input{Name: s, State: "cut", Detail: s, Warnings: []string{s}})
		a.Findings = append(a.Findings, classify.Finding{ID: "0", Kind: "connection", Severity: "low", Verdict: "unexpected", Summary: s, Reason: s, Nearest: s,
			Hosts: []string{s}, Cite: []string{s}, Evidence: []classify.Evidence{{File: s}}})
		a.Warnings = append(a.Warnings, s)
	}
	for _, f := range Formats {
		var one, two bytes.Buffer
		if err := f.Write(&one, a, Look{All: true, Width: 80}); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if err := f.Write(&two, a, Look{All: true, Width: 80}); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("%s: two renderings differ (%v)", f.Name, err)
		}
		switch f.Name {
		case "json":
			var back classify.Audit
			if err := json.Unmarshal(one.Bytes(), &back); err != nil {
				t.Errorf("json does not read back: %v", err)
			}
		default:
			for i, b := range one.Bytes() {
				if b < 0x20 && b != '\n' || b == 0x7f {
					t.Fatalf("%s: control byte %#x at %d", f.Name, b, i)
				}
			}
		}
	}
}

func TestConnectionsSurviveHostileStrings(t *testing.T) {
	for _, s := range nasty {
		c := &flow.Conn{Proto: flow.TCP, Orig: netip.MustParseAddrPort("192.0.2.7:49822"), Resp: netip.MustParseAddrPort("192.0.2.9:9876"), Tunnel: s,
			VLANs: []uint16{10, 20}, Facts: []flow.Fact{{Kind: flow.FactProtocol, Value: s}, {Kind: flow.FactName, Value: s}, {Kind: flow.FactName, Value: "b"}}}
		j := &classify.Judgement{Verdict: "documented", Flow: s, Unverified: []string{"encryption"}}
		var line map[string]any
		if err := json.Unmarshal(appendConn(nil, c, j), &line); err != nil {
			t.Errorf("%.40q: not JSON: %v", s, err)
		} else if len(line["names"].([]any)) != 2 || len(line["vlan"].([]any)) != 2 {
			t.Errorf("%.40q: names or tags lost: %v", s, line)
		}
		var b bytes.Buffer
		w, err := NewConnections(&b, "csv", Look{}, true)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(c, j)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
			t.Errorf("%.40q: CSV has rows %d: %v", s, len(rows), err)
			continue
		}
		if f := rows[1][len(rows[1])-3]; f != "" && strings.ContainsRune("=+-@\t\r", rune(f[0])) {
			t.Errorf("%.40q: a formula in CSV: %q", s, f)
		}
	}
}

func TestConnectionLineFollowsTheContract(t *testing.T) {
	c := &flow.Conn{ID: flow.ConnID{File: 0, Packet: 17}, Proto: flow.TCP, Orig: netip.MustParseAddrPort("192.0.2.7:49822"), Resp: netip.MustParseAddrPort("192.0.2.9:9876"),
		KnownBy: flow.KnownByHandshake, Outcome: flow.Established, First: 1767323045000006000, Last: 1767323046000006000,
		OrigPackets: 12, RespPackets: 10, OrigBytes: 1834, RespBytes: 9120, VLANs: []uint16{10}}
	want := `{"id":"0:17","proto":"tcp","orig":{"ip":"192.0.2.7","port":49822},"resp":{"ip":"192.0.2.9","port":9876},"originator_known_by":"handshake","outcome":"established","visibility":"both",` +
		`"first":"2026-01-02T03:04:05.000006000Z","last":"2026-01-02T03:04:06.000006000Z","orig_packets":12,"resp_packets":10,"orig_bytes":1834,"resp_bytes":9120,"vlan":[10],"tunnel":"","protocol_seen":"","names":[]}`
	if got := string(appendConn(nil, c, nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	c.Proto, c.ICMPType = flow.ICMP, 8
	c.Orig, c.Resp = netip.AddrPortFrom(c.Orig.Addr(), 0), netip.AddrPortFrom(c.Resp.Addr(), 0)
	if got := string(appendConn(nil, c, nil)); !strings.Contains(got, `"orig":{"ip":"192.0.2.7"},"resp":{"ip":"192.0.2.9"},"icmp_type":8,"icmp_code":0`) {
		t.Errorf("ICMP has types instead of ports: %s", got)
	}
}

// FuzzCSVField: a field has the bytes that encoding/csv gives the clean text.
func FuzzCSVField(f *testing.F) {
	for _, s := range append(nasty, "", `\.`, " x", "\u00a0x", `a"b`, "a,b", "'", "x ") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		w := csv.NewWriter(&want)
		if err := w.Write([]string{"x", cleanCSV(s)}); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		if got := string(append(appendField([]byte("x,"), s), '\n')); got != want.String() {
			t.Errorf("%q is not %q", got, want.String())
		}
	})
}
