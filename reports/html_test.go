package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pcapaudit/classify"
)

// pageAudit is sampleAudit with everything that the page draws.
func pageAudit() *classify.Audit {
	a := sampleAudit()
	for i := range a.Findings {
		a.Findings[i].Proto = "tcp"
	}
	a.Matrix = []classify.MatrixCell{
		{From: "acronis-abr-11.5/agent", To: "acronis-abr-11.5/management-server", Flow: "acronis-abr-11.5/agent-registers", Service: "tcp/9876", Verdict: "documented", Connections: 1234, Bytes: 5 << 20},
		{From: "acronis-abr-11.5/agent", To: "acronis-abr-11.5/management-server", Service: "tcp/9877", Verdict: "unexpected", Connections: 2, Bytes: 4096},
		{From: "acronis-abr-11.5/console", To: "internet", Service: "tcp/443", Verdict: "excepted", Connections: 1, Bytes: 512},
		{From: "no host of the site", To: "acronis-abr-11.5/agent", Service: "tcp/22", Verdict: "indeterminate", Connections: 7, Bytes: 900},
	}
	a.Timeline = classify.Timeline{From: "2026-01-02T03:04:00.000000000Z", Seconds: 64, Losses: []classify.LossSpan{{From: "2026-01-02T03:20:00.000000000Z", Until: "2026-01-02T03:25:00.000000000Z", Missed: 17}}}
	for i := range 56 {
		b := classify.TimelineBucket{Documented: uint64(20 + i%7*5), Other: uint64(i % 3)}
		if i%19 == 4 {
			b.Unexpected = 1
		}
		if i%23 == 8 {
			b.Deviation = 3
		}
		a.Timeline.Buckets = append(a.Timeline.Buckets, b)
	}
	a.Period.Gaps = []classify.Gap{{From: "2026-01-02T03:40:00.000000000Z", Until: "2026-01-02T03:47:00.000000000Z"}}
	a.SourcePorts = []classify.PortProfile{
		{Host: "srv-17", OS: "windows", Documented: []string{"49152-65535"}, Lowest: 20000, Highest: 61000, Connections: 31, Outside: 3},
		{Host: "a-host-with-a-name-longer-than-its-column.example.net", OS: "linux", Documented: []string{"32768-61000"}, Lowest: 33000, Highest: 60123, Connections: 9},
	}
	a.Encryption.Verified = []classify.EncryptionUse{{Flow: "acronis-abr-11.5/agent-registers", Service: "tcp/9876", How: "TLS 1.3", Connections: 30, Bytes: 90000}}
	a.Observations = []classify.Observation{{Note: "TLS 1.0 in use", Service: "tcp/9876", Hosts: 1, Connections: 2, Sample: a.Findings[0].Evidence[0]}}
	return a
}

// bigAudit has n findings of many services, as a bad night gives them.
func bigAudit(n int) *classify.Audit {
	a := pageAudit()
	a.Findings = slices.Clip(a.Findings[:1])
	for i := range n - 1 {
		f := a.Findings[0]
		f.ID, f.Service, f.Port = fmt.Sprintf("%016x", i), fmt.Sprintf("tcp/%d", i%1500), fmt.Sprint(i%1500)
		f.Orig.Host, f.Proto = fmt.Sprintf("srv-%d", i), "tcp"
		f.Severity = []string{"high", "medium", "low"}[i%3]
		f.Summary = f.Orig.Host + " opened " + f.Service + " on 203.0.113.1"
		a.Findings = append(a.Findings, f)
	}
	for i := range 5000 {
		a.SourcePorts = append(a.SourcePorts, classify.PortProfile{Host: fmt.Sprintf("srv-%d", i), Documented: []string{"49152-65535"}, Lowest: 50000, Highest: 60000, Connections: 4})
		a.Inputs = append(a.Inputs, classify.Input{Name: fmt.Sprintf("night/%04d.pcapng", i), Format: "pcapng", SHA256: strings.Repeat("0f", 32), State: "clean"})
	}
	return a
}

func pageOf(t *testing.T, a *classify.Audit) string {
	t.Helper()
	f, err := ByName("html")
	if err != nil {
		t.Fatal(err)
	}
	return string(render(t, f, a, Look{}))
}

// elements walks a parsed page.
func elements(t *testing.T, page string, visit func(*html.Node)) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			visit(n)
		}
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

func TestPagePolicyAllowsItsStyleAlone(t *testing.T) {
	policy, style := "", ""
	elements(t, pageOf(t, pageAudit()), func(n *html.Node) {
		switch {
		case n.Data == "meta" && attr(n, "http-equiv") == "Content-Security-Policy":
			policy = attr(n, "content")
			if style != "" {
				t.Error("the policy comes after the style")
			}
		case n.Data == "style":
			style = n.FirstChild.Data
		case n.Data == "script" || n.Data == "link" || n.Data == "img" || n.Data == "iframe":
			t.Errorf("the page has a %s", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "src" || (a.Key == "href" && !strings.HasPrefix(a.Val, "#")) {
				t.Errorf("%s has the attribute %s=%q", n.Data, a.Key, a.Val)
			}
		}
	})
	sum := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
	if policy != want {
		t.Errorf("policy %q\nwant   %q", policy, want)
	}
}

func TestPageStructure(t *testing.T) {
	for name, a := range map[string]*classify.Audit{"full": pageAudit(), "empty": {}, "big": bigAudit(3000)} {
		level, sections := 0, []string{}
		ids := map[string]bool{}
		elements(t, pageOf(t, a), func(n *html.Node) {
			switch n.Data {
			case "h1", "h2", "h3", "h4":
				next := int(n.Data[1] - '0')
				if next > level+1 || textOf(n) == "" {
					t.Errorf("%s: %s %q follows a heading of level %d", name, n.Data, textOf(n), level)
				}
				level = next
			case "section":
				sections = append(sections, attr(n, "id"))
			case "svg":
				checkSVG(t, name, n)
			case "th":
				if s := attr(n, "scope"); s != "col" && s != "row" {
					t.Errorf("%s: the table header %q has no scope", name, textOf(n))
				}
			}
			if id := attr(n, "id"); id != "" {
				if ids[id] {
					t.Errorf("%s: the id %q stands twice", name, id)
				}
				ids[id] = true
			}
		})
		want := []string{"result", "findings", "matrix", "timeline", "flows", "encryption", "ports", "coverage", "traffic", "exceptions", "ledgers", "inputs", "rules", "verify", "signoff"}
		if !slices.Equal(sections, want) {
			t.Errorf("%s: sections %v, want %v", name, sections, want)
		}
	}
}

// checkSVG: a chart says in words what it shows, and an icon stands beside words and is hidden from readers.
func checkSVG(t *testing.T, name string, n *html.Node) {
	t.Helper()
	if attr(n, "role") != "img" {
		if attr(n, "aria-hidden") != "true" {
			t.Errorf("%s: a drawing without role is not hidden: class %q", name, attr(n, "class"))
		}
		return
	}
	title, desc := "", ""
	for c := range n.ChildNodes() {
		switch c.Data {
		case "title":
			title = textOf(c)
		case "desc":
			desc = textOf(c)
		}
	}
	if title == "" || len(desc) < 40 || attr(n, "aria-labelledby") == "" {
		t.Errorf("%s: a chart has title %q, description %q, labelled by %q", name, title, desc, attr(n, "aria-labelledby"))
	}
}

// TestPageOfNastyAudit: the hostile audit gives the elements and attribute names that the template makes for a tame one of the same shape.
func TestPageOfNastyAudit(t *testing.T) {
	made := map[string]bool{}
	shape := func(n *html.Node) string {
		names := []string{n.Data}
		for _, a := range n.Attr {
			names = append(names, a.Key)
		}
		return strings.Join(names, " ")
	}
	for _, a := range []*classify.Audit{pageAudit(), {}, bigAudit(2000), tame(nastyAudit())} {
		elements(t, pageOf(t, a), func(n *html.Node) { made[shape(n)] = true })
	}
	page := pageOf(t, nastyAudit())
	elements(t, page, func(n *html.Node) {
		if !made[shape(n)] {
			t.Errorf("no template makes <%s>", shape(n))
		}
	})
	for _, r := range page {
		if r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff || r == 0xfffd {
			t.Fatalf("the page holds U+%04X", r)
		}
	}
	if len(page) > maxPage {
		t.Errorf("the page of a nasty audit has %d bytes", len(page))
	}
}

// tame replaces every string of an audit by a word.
func tame(a *classify.Audit) *classify.Audit {
	return mapStrings(a, func(string) string { return "word" })
}

const maxPage = 5 << 20

func TestPageOfManyFindingsIsFolded(t *testing.T) {
	a := bigAudit(100_000)
	began := time.Now()
	page := pageOf(t, a)
	t.Logf("%d findings: %d bytes, rendered twice in %v", len(a.Findings), len(page), time.Since(began))
	if len(page) > maxPage {
		t.Errorf("the page has %d bytes, at most %d are allowed", len(page), maxPage)
	}
	folded := 0
	elements(t, page, func(n *html.Node) {
		if attr(n, "class") == "notice" && strings.Contains(textOf(n), "JSON report") {
			folded++
		}
	})
	if folded == 0 {
		t.Error("the page does not say that it is folded and that the JSON report has everything")
	}
}

func TestPageSaysTheResultInWords(t *testing.T) {
	for verdict, want := range map[string]string{"clean": "No deviation found", "deviations": "Deviations found", "inconclusive": "Inconclusive"} {
		a := pageAudit()
		a.Result.Verdict = verdict
		got := ""
		elements(t, pageOf(t, a), func(n *html.Node) {
			if n.Data == "h2" && got == "" {
				got = textOf(n)
			}
		})
		if got != want {
			t.Errorf("%s: the first heading is %q, want %q", verdict, got, want)
		}
	}
}

func TestFiltersSelectOneConnection(t *testing.T) {
	const from = "frame.number >= 17 && frame.time_epoch <= 1767323046.000006000 && "
	for _, c := range []struct{ proto, port, orig, resp, shark, dump string }{
		{"tcp", "88", "10.0.0.1:50000", "10.0.0.2:88",
			from + "!icmp && ((ip.src == 10.0.0.1 && ip.dst == 10.0.0.2 && tcp.srcport == 50000 && tcp.dstport == 88) || (ip.src == 10.0.0.2 && ip.dst == 10.0.0.1 && tcp.srcport == 88 && tcp.dstport == 50000))",
			"tcp and ((src host 10.0.0.1 and dst host 10.0.0.2 and src port 50000 and dst port 88) or (src host 10.0.0.2 and dst host 10.0.0.1 and src port 88 and dst port 50000))"},
		{"icmp6", "type 128", "2001:db8::1", "2001:db8::2",
			from + "!(icmpv6.type in {1, 2, 3, 4}) && ((ipv6.src == 2001:db8::1 && ipv6.dst == 2001:db8::2 && icmpv6.type == 128) || (ipv6.src == 2001:db8::2 && ipv6.dst == 2001:db8::1 && icmpv6.type == 129))",
			"icmp6 and ((src host 2001:db8::1 and dst host 2001:db8::2 and icmp6[0] = 128) or (src host 2001:db8::2 and dst host 2001:db8::1 and icmp6[0] = 129))"},
		{"icmp", "type 5", "10.0.0.1", "10.0.0.2", from + "ip.src == 10.0.0.1 && ip.dst == 10.0.0.2 && icmp.type == 5", "icmp and src host 10.0.0.1 and dst host 10.0.0.2 and icmp[0] = 5"},
		{"esp", "", "10.0.0.1", "10.0.0.2", from + "ip.proto == 50 && ip.addr == 10.0.0.1 && ip.addr == 10.0.0.2", "ip proto 50 and host 10.0.0.1 and host 10.0.0.2"},
		{"ip-99", "", "2001:db8::1", "2001:db8::2", from + "ipv6.nxt == 99 && ipv6.addr == 2001:db8::1 && ipv6.addr == 2001:db8::2", "ip6 proto 99 and host 2001:db8::1 and host 2001:db8::2"},
		{"tcp", "88", "", "", "frame.number == 17", ""},
		{"tcp", "88", "10.0.0.1:50000", "' || rm -rf", "", ""},
		{"tcp'; ls", "88", "10.0.0.1:50000", "10.0.0.2:88", "", ""},
		{"icmp", "type 8'; ls", "10.0.0.1", "10.0.0.2", "", ""},
		{"ip-9'; ls", "", "10.0.0.1", "10.0.0.2", "", ""},
		{"tcp", "88", "fe80::1%eth0", "fe80::2", "", ""},
	} {
		shark, dump := filters(c.proto, c.port, &classify.Evidence{Packet: 17, Orig: c.orig, Resp: c.resp, Last: "2026-01-02T03:04:06.000006000Z"})
		if shark != c.shark || dump != c.dump {
			t.Errorf("%s %s %s:\n%s\n%s", c.proto, c.orig, c.resp, shark, dump)
		}
	}
	for name, want := range map[string]string{"a/b-1.pcap": "a/b-1.pcap", "-r.pcap": "./-r.pcap", "my file.pcap": "'my file.pcap'", "it's": `'it'\''s'`, "a\nb": "", "": "", "-": ""} {
		if got := shellName(name); got != want {
			t.Errorf("shellName(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestCommandsUnpack: the tools read what an unpacker writes, and a compression that nobody knows has no command.
func TestCommandsUnpack(t *testing.T) {
	e := classify.Evidence{ID: "0:17", File: "a b.pcap.gz", Packet: 17, Orig: "10.0.0.1:50000", Resp: "10.0.0.2:88"}
	for compression, want := range map[string]string{"": "tcpdump -nr 'a b.pcap.gz' 'tcp and ", "gzip": "gzip -dc < 'a b.pcap.gz' | tcpdump -nr - 'tcp and ", "x; ls": ""} {
		list := commands(&classify.Finding{Proto: "tcp"}, []classify.Evidence{e}, []classify.Input{{Name: e.File, Compression: compression}})
		switch {
		case want == "" && len(list) > 0:
			t.Errorf("%q: %v", compression, list)
		case want != "" && (len(list) != 2 || !strings.HasPrefix(string(list[1].Text), want)):
			t.Errorf("%q: %v, want %s", compression, list, want)
		}
	}
}

// TestPageShowsCommandsWhole: a command is longer than other texts may be, and useless when it is cut.
func TestPageShowsCommandsWhole(t *testing.T) {
	a := pageAudit()
	for i := range 5 {
		e := a.Findings[0].Evidence[0]
		e.Orig, e.Resp = fmt.Sprintf("[2001:db8:1111:2222:3333:4444:5555:%d]:50000", i+1), "[2001:db8:1111:2222:3333:4444:5555:8888]:88"
		a.Findings[0].Evidence = append(a.Findings[0].Evidence[:i], e)
	}
	whole := 0
	elements(t, pageOf(t, a), func(n *html.Node) {
		if text := textOf(n); n.Data == "pre" && len(text) > 2*maxHTMLText && strings.HasSuffix(text, "))'") {
			whole++
		}
	})
	if whole != 2 {
		t.Errorf("%d of the 2 commands of five connections are whole", whole)
	}
}

func TestBrief(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1k", 1290: "1.2k", 12_345: "12k", 999_999: "999k", 3_000_000: "3M"} {
		if got := brief(n); got != want {
			t.Errorf("brief(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestMatrixFoldsRoles(t *testing.T) {
	var cells []classify.MatrixCell
	for i := range 60 {
		cells = append(cells, classify.MatrixCell{From: fmt.Sprintf("p/r%02d", i), To: "p/sink", Service: "tcp/1", Verdict: "documented", Connections: uint64(1000 - i)})
	}
	cells = append(cells, classify.MatrixCell{From: "p/rare", To: "internet", Service: "tcp/2", Verdict: "unexpected", Connections: 1})
	c := newMatrixChart(cells)
	if len(c.Rows) != matrixRoles+1 || c.Rows[len(c.Rows)-1].Name != otherRoles || c.Folded != 61-matrixRoles {
		t.Errorf("%d rows, the last %q, %d folded", len(c.Rows), c.Rows[len(c.Rows)-1].Name, c.Folded)
	}
	if !slices.ContainsFunc(c.Rows, func(r matrixAxis) bool { return r.Name == "p/rare" }) {
		t.Error("the role of the unexpected connection is folded")
	}
	if c.Verdicts[0] != "unexpected" || c.Table[0].Verdict != "unexpected" {
		t.Error("the worst verdict is not the first")
	}
	if !bytes.Contains([]byte(c.Summary), []byte("1 of them")) {
		t.Errorf("summary %q", c.Summary)
	}
}

// TestPageHasContrast holds every colour of text against what it stands on, in both schemes: WCAG 2.2 wants 4.5 to 1.
func TestPageHasContrast(t *testing.T) {
	blocks := strings.SplitN(string(htmlStyle), "@media screen and (prefers-color-scheme: dark)", 2)
	light, dark := luminances(blocks[0]), luminances(blocks[1])
	for name, scheme := range map[string]map[string]float64{"light": light, "dark": dark} {
		if len(scheme) < 18 {
			t.Fatalf("%s: %d colours", name, len(scheme))
		}
		pairs := [][2]string{{"muted", "bg"}, {"accent", "bg"}, {"ink", "bg"}, {"ink", "soft"}, {"muted", "soft"}}
		for _, verdict := range []string{"documented", "deviation", "unexpected", "indeterminate", "excepted", "other"} {
			pairs = append(pairs, [2]string{verdict, "surface"}, [2]string{verdict, verdict + "-tint"}, [2]string{"ink", verdict + "-tint"})
		}
		for _, p := range append(pairs, [2]string{"muted", "surface"}, [2]string{"accent", "surface"}) {
			a, b := scheme[p[0]]+0.05, scheme[p[1]]+0.05
			if ratio := max(a/b, b/a); ratio < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.2f", name, p[0], p[1], ratio)
			}
		}
	}
}

// luminances gives the relative luminance of the first value of every colour that a part of the style sheet names.
func luminances(css string) map[string]float64 {
	found := map[string]float64{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{3,6});`).FindAllStringSubmatch(css, -1) {
		hex := m[2]
		if len(hex) == 3 {
			hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
		}
		n, _ := strconv.ParseUint(hex, 16, 32)
		linear := func(c uint64) float64 {
			f := float64(c&0xff) / 255
			if f <= 0.04045 {
				return f / 12.92
			}
			return math.Pow((f+0.055)/1.055, 2.4)
		}
		if _, ok := found[m[1]]; !ok {
			found[m[1]] = 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
		}
	}
	return found
}
