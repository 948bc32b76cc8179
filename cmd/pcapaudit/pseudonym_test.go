package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"pcapaudit/capture"
	"pcapaudit/classify"
	"pcapaudit/reports"
)

// marked names hosts, people and files of the window payload so that nobody can miss them in an output.
type marked struct {
	dir, site, annotations, key, capture string
	keys                                 *capture.Pseudonyms
}

var (
	hostName  = regexp.MustCompile(`(- \{name: )([a-z])`)
	hostLists = regexp.MustCompile(`(?:from|to): \[[^\]]*\]`)
	hostInOne = regexp.MustCompile(`([ \[])([a-z0-9-]+)([,\]])`)
)

func newMarked(t *testing.T) *marked {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "zqbank")
	m := &marked{dir: dir, site: filepath.Join(dir, "zqsite.yaml"), annotations: filepath.Join(dir, "zqreview.yaml"), key: filepath.Join(dir, "zqkey"), capture: filepath.Join(dir, "zqnight.pcapng")}
	data, err := os.ReadFile("../../testdata/captures/payload.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../testdata/sites/payload.yaml")
	if err != nil {
		t.Fatal(err)
	}
	hosts, rest, _ := strings.Cut(string(text), "\nflows:")
	rest, conditions, _ := strings.Cut(rest, "\nconditions:")
	hosts = strings.Replace(hostName.ReplaceAllString(hosts, "${1}zq-$2"), "Payload laboratory", "ZQ Bank", 1)
	rest = hostLists.ReplaceAllStringFunc(rest, func(list string) string { return hostInOne.ReplaceAllString(list, "${1}zq-$2$3") })
	rest = strings.ReplaceAll(strings.ReplaceAll(rest, "id: ", "id: zq-"), "owner: ", "owner: zq ")
	site := hosts + "\nflows:" + rest + "\nconditions:" + conditions + `
captures:
  - {file: "*night*", device: zq-probe, method: tap, filter: host zq-jump or net 10.60.0.0/24, clock: {source: zqclock}, operator: Zq Operator,
     custody: [{who: Zq Courier, when: "2026-11-22", what: carried to zq vault}]}
exceptions:
  - {id: ZQ-1, from: zq-lin-2, to: zq-liar, proto: udp, ports: ["53"], owner: Zq Owner, approver: Zq Approver, reason: zq project, ticket: ZQCHG-1, until: "2027-12-31"}
`
	for path, content := range map[string]string{m.capture: string(data), m.site: site, m.key: strings.Repeat("5a17", 16) + "\n"} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if m.keys, err = capture.ReadPseudonymKey(m.key); err != nil {
		t.Fatal(err)
	}
	return m
}

// run audits and writes every output to out, each under a name that tells nothing; more are flags.
func (m *marked) run(t *testing.T, out string, more ...string) *classify.Audit {
	t.Helper()
	args := []string{"audit", "--site", m.site, "--rules", "acronis-abr-11.5", "--rules", "lync-2013-director", "--net", "10.60.0.0/24", "--evidence", filepath.Join(out, "packets.pcapng"), "--passes",
		"--connections", filepath.Join(out, "connections.json")}
	for _, f := range reports.Formats {
		args = append(args, "--report", filepath.Join(out, "report"+f.Extension))
	}
	var table, errs bytes.Buffer
	if code := run(append(append(args, more...), m.capture), nil, &table, &errs); code != exitDeviations {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if err := os.WriteFile(filepath.Join(out, "table"), table.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, err := loadAudit(filepath.Join(out, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestPseudonymsHideEverything audits marked names and holds every byte of every output against them.
func TestPseudonymsHideEverything(t *testing.T) {
	m := newMarked(t)
	plain, hidden, again := t.TempDir(), t.TempDir(), t.TempDir()
	first := m.run(t, plain)
	review := "annotations:\n"
	for _, f := range first.Findings[:3] {
		review += "  - {finding: " + f.ID + ", disposition: accepted, name: Zq Reviewer, date: 2026-11-23, text: zq says so}\n"
	}
	if err := os.WriteFile(m.annotations, []byte(review), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--annotations", m.annotations, "--baseline", filepath.Join(plain, "report.json")}
	truth := m.run(t, plain, flags[:2]...)
	flags = append(flags, "--pseudonymise", m.key)
	a := m.run(t, hidden, flags...)
	m.run(t, again, flags...)
	secrets := m.secrets(t, truth, plain)
	files, err := os.ReadDir(hidden)
	if err != nil || len(files) < len(reports.Formats)+3 {
		t.Fatalf("%d outputs (%v)", len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(hidden, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		same, err := os.ReadFile(filepath.Join(again, f.Name()))
		if err != nil || !bytes.Equal(data, same) {
			t.Errorf("%s: a second run differs (%v)", f.Name(), err)
		}
		if !strings.HasSuffix(f.Name(), ".pcapng") {
			secrets.hold(t, f.Name(), data)
			continue
		}
		secrets.holdPackets(t, data)
	}
	if len(a.Findings) != len(truth.Findings) || a.Result.Verdict != truth.Result.Verdict || a.Evidence.Packets != truth.Evidence.Packets {
		t.Error("the result depends on the names")
	}
	m.sameStructure(t, plain, hidden)
	rendered := filepath.Join(t.TempDir(), "report.json")
	if code := run([]string{"report", filepath.Join(plain, "report.json"), "--pseudonymise", m.key, "--report", rendered}, nil, &bytes.Buffer{}, &bytes.Buffer{}); code != exitClean {
		t.Errorf("report: exit code %d", code)
	}
	data, err := os.ReadFile(rendered)
	if err != nil {
		t.Fatal(err)
	}
	secrets.hold(t, "report of an audit", data)
}

// TestPseudonymsInCommands runs what the page tells a reviewer to run, on the evidence beside it.
func TestPseudonymsInCommands(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed: the commands of the page are not run")
	}
	m, out := newMarked(t), t.TempDir()
	m.run(t, out, "--pseudonymise", m.key)
	page, err := os.Open(filepath.Join(out, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	root, err := html.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for n := range root.Descendants() {
		if n.Data != "pre" || n.FirstChild == nil || !strings.HasPrefix(n.FirstChild.Data, "tshark -r packets.pcapng") || ran == 3 {
			continue
		}
		ran++
		c := exec.Command("sh", "-c", n.FirstChild.Data)
		c.Dir = out
		if shown, err := c.Output(); err != nil || len(shown) == 0 {
			t.Errorf("%s shows %q, %v", n.FirstChild.Data, shown, err)
		}
	}
	if ran == 0 {
		t.Error("the page has no commands")
	}
}

// secrets are what no output may have in it.
type secrets struct {
	texts     map[string]*regexp.Regexp
	addresses []netip.Addr
}

func (m *marked) secrets(t *testing.T, truth *classify.Audit, plain string) *secrets {
	s := &secrets{texts: map[string]*regexp.Regexp{}}
	add := func(text string) {
		if text != "" {
			s.texts[text] = regexp.MustCompile(`(?i)(^|[^0-9a-z])` + regexp.QuoteMeta(text) + `($|[^0-9a-z])`)
		}
	}
	s.texts["zq"] = regexp.MustCompile(`(?i)zq|bank`)
	for _, text := range []string{"sealed-shares", "file-transfer", "cloud-portal", "head of operations", "storage team", truth.Site.SHA256, truth.Inputs[0].SHA256, truth.Annotations.SHA256, filepath.Dir(m.dir)} {
		add(text)
	}
	for _, f := range truth.Findings {
		add(f.ID)
	}
	data, err := os.ReadFile(filepath.Join(plain, "connections.json"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[netip.Addr]bool{}
	names := 0
	for line := range bytes.Lines(data) {
		var c struct {
			Orig, Resp struct{ IP netip.Addr }
			Names      []string
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		for _, n := range c.Names {
			names++
			add(n)
		}
		for _, a := range []netip.Addr{c.Orig.IP, c.Resp.IP} {
			if !seen[a] && m.keys.Address(a) != a {
				s.addresses = append(s.addresses, a)
				add(a.String())
			}
			seen[a] = true
		}
	}
	if names == 0 || len(s.addresses) < 10 {
		t.Fatalf("the window has %d names and %d addresses: it shows nothing", names, len(s.addresses))
	}
	return s
}

// sealed is the list of names that only the key opens: what it spells in base64 is chance.
var sealed = regexp.MustCompile(`"[A-Za-z0-9+/=]{200,}"`)

func (s *secrets) hold(t *testing.T, name string, data []byte) {
	t.Helper()
	data = sealed.ReplaceAll(data, []byte(`""`))
	for text, form := range s.texts {
		if at := form.FindIndex(data); at != nil {
			t.Errorf("%s has %q: ...%q...", name, text, data[max(0, at[0]-60):min(len(data), at[1]+60)])
		}
	}
}

func (s *secrets) holdPackets(t *testing.T, data []byte) {
	t.Helper()
	for text, form := range s.texts {
		if _, err := netip.ParseAddr(text); err != nil && form.Match(data) {
			t.Errorf("the evidence has %q", text)
		}
	}
	for _, a := range s.addresses {
		if bytes.Contains(data, a.AsSlice()) || bytes.Contains(data, []byte(a.String())) {
			t.Errorf("the evidence has %v", a)
		}
	}
}

// sameStructure leads the addresses of the list of connections back, and compares the prefixes of neighbours.
func (m *marked) sameStructure(t *testing.T, plain, hidden string) {
	t.Helper()
	ends := func(dir string) (list []netip.Addr) {
		data, err := os.ReadFile(filepath.Join(dir, "connections.json"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			var c struct{ Orig, Resp struct{ IP netip.Addr } }
			if err := json.Unmarshal(line, &c); err != nil {
				t.Fatal(err)
			}
			list = append(list, c.Orig.IP, c.Resp.IP)
		}
		return list
	}
	before, after := ends(plain), ends(hidden)
	if len(before) != len(after) {
		t.Fatalf("%d ends, then %d", len(before), len(after))
	}
	for i := range before {
		if m.keys.Reverse(after[i]) != before[i] {
			t.Errorf("%v leads back to %v, not to %v", after[i], m.keys.Reverse(after[i]), before[i])
		}
		for _, bits := range []int{8, 16, 24, 30} {
			j := (i + 1) % len(before)
			if !before[i].Is4() || !before[j].Is4() {
				continue
			}
			if netip.PrefixFrom(before[i], bits).Contains(before[j]) != netip.PrefixFrom(after[i], bits).Contains(after[j]) {
				t.Errorf("%v and %v, %v and %v share not the same /%d", before[i], before[j], after[i], after[j], bits)
			}
		}
	}
}

// TestPseudonymsKeepSentences writes every recorded window with pseudonyms: no word of this program's sentences may be taken for a name.
func TestPseudonymsKeepSentences(t *testing.T) {
	t.Chdir("../../testdata")
	paths, err := filepath.Glob("captures/*.expect.yaml")
	if err != nil || len(paths) < 11 {
		t.Fatalf("%d windows (%v)", len(paths), err)
	}
	keys := capture.NewPseudonyms([32]byte{7})
	p := &classify.Pseudonyms{Key: keys.Fingerprint(), Address: keys.Address, Reverse: keys.Reverse, Token: keys.Token, Digest: keys.Digest, Seal: keys.Seal, Open: keys.Open}
	for _, path := range paths {
		w := auditWindow(t, path, "captures")
		a, err := p.Pseudonymise(&w.audit)
		if err != nil {
			t.Fatal(err)
		}
		names, err := p.Names(a)
		if err != nil {
			t.Fatal(err)
		}
		known, _ := json.Marshal(&w.audit)
		for token, name := range names {
			quoted, _ := json.Marshal(name)
			if strings.HasPrefix(token, "host-") && !bytes.Contains(known, quoted) && !strings.ContainsAny(name, ".*") && !slices.ContainsFunc(w.audit.Inputs, func(in classify.Input) bool { return strings.Contains(in.Name, name) }) &&
				!bytes.Contains(known, []byte(`"`+name+" ")) {
				t.Errorf("%s: %q was taken for a name", path, name)
			}
		}
	}
}
