package survey

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// seen feeds a survey with connections.
type seen struct {
	*Survey
	packet uint64
	port   uint16
}

func compiled(t testing.TB, site *rules.Site, names ...string) *rules.Set {
	t.Helper()
	var packs []*rules.Pack
	for _, name := range names {
		p, problems := rules.LoadPack(name)
		if rules.Failed(problems) {
			t.Fatal(problems)
		}
		packs = append(packs, p)
	}
	set, problems := rules.Compile(packs, site)
	if rules.Failed(problems) {
		t.Fatal(problems)
	}
	return set
}

func newSeen(t testing.TB, packs ...string) *seen {
	return &seen{Survey: New(compiled(t, nil, packs...)), port: 50000}
}

// tcp is an established connection from a source port of Windows.
func (s *seen) tcp(orig, resp string, port uint16, facts ...flow.Fact) {
	s.port++
	s.packet++
	s.Observe(&flow.Conn{ID: flow.ConnID{Packet: s.packet}, Proto: flow.TCP, Orig: netip.AddrPortFrom(netip.MustParseAddr(orig), s.port), Resp: netip.AddrPortFrom(netip.MustParseAddr(resp), port),
		KnownBy: flow.KnownByHandshake, Outcome: flow.Established, OrigPackets: 5, RespPackets: 5, Facts: facts})
}

// fleet is a management server and a storage node with agents, and a vSphere that one of them works with.
func (s *seen) fleet(agents int) {
	for i := range agents {
		agent := fmt.Sprintf("10.1.%d.%d", 1+i/200, 1+i%200)
		s.tcp(agent, "10.1.0.10", 9876)
		s.tcp(agent, "10.1.0.20", 9876)
		s.tcp("10.1.0.10", agent, 9876)
	}
	s.tcp("10.1.0.10", "10.1.0.20", 9876)
	s.tcp("10.1.1.1", "10.1.0.30", 443)
	s.tcp("10.1.1.1", "10.1.0.30", 902)
}

func (s *seen) draft(t testing.TB) string {
	t.Helper()
	d, err := s.Draft("test.pcap")
	if err != nil {
		t.Fatal(err)
	}
	return string(d.Text)
}

// roleLine is the line of a role of the host with an address.
func rolesOf(t *testing.T, draft, addr string) string {
	t.Helper()
	_, rest, found := strings.Cut(draft, "addresses: ["+addr+"]")
	if !found {
		t.Fatalf("no host has %s:\n%s", addr, draft)
	}
	rest, _, _ = strings.Cut(rest, "\n  - name:")
	return rest
}

// TestRolesTogether: who is the management server and who the storage node follows from what the agents and they themselves do, not from ports, which are the same.
func TestRolesTogether(t *testing.T) {
	s := newSeen(t, "acronis-abr-11.5")
	s.fleet(6)
	draft := s.draft(t)
	for addr, want := range map[string][]string{
		"10.1.0.10": {"- acronis-abr-11.5/management-server", "answers tcp/9876 from 6 hosts"},
		"10.1.0.20": {"- acronis-abr-11.5/storage-node", "also fits license-server"},
		"10.1.0.30": {"- acronis-abr-11.5/vsphere", "answers tcp/443, tcp/902 from host-10.1.1.1"},
		"10.1.1.1":  {"- acronis-abr-11.5/agent\n", "- acronis-abr-11.5/agent-vsphere"},
		"10.1.1.6":  {"# clear: ", "- acronis-abr-11.5/agent\n"},
	} {
		for _, text := range want {
			if got := rolesOf(t, draft, addr); !strings.Contains(got, text) {
				t.Errorf("%s has no %q:\n%s", addr, text, got)
			}
		}
	}
	if !strings.Contains(draft, `{name: acronis-abr-11.5/managed-vaults-used, state: "on"}`) {
		t.Errorf("no condition:\n%s", draft)
	}
}

// TestUsualServicesAreAGuess: web, RPC and file sharing tell of no product, however many hosts have them, and what fits a flow of any port neither.
func TestUsualServicesAreAGuess(t *testing.T) {
	s := newSeen(t, "configmgr-2012")
	for i := range 6 {
		for _, port := range []uint16{80, 135, 445, 3186, 28681} {
			s.tcp("10.1.0.10", fmt.Sprintf("10.1.1.%d", i+1), port)
		}
	}
	draft := s.draft(t)
	if strings.Count(draft, "      - configmgr-2012/") < 2 || strings.Contains(draft, "      # clear: ") || strings.Contains(draft, "      # likely: ") {
		t.Errorf("roles are not guesses:\n%s", draft)
	}
}

// TestRivals: what a flow between two other roles explains as well is a guess, also where the role of one end alone would not do.
func TestRivals(t *testing.T) {
	s := newSeen(t, "configmgr-2012", "remote-admin")
	for i := range 6 {
		s.tcp("10.1.0.10", fmt.Sprintf("10.1.1.%d", i+1), 5985)
	}
	got := rolesOf(t, s.draft(t), "10.1.0.10")
	for _, want := range []string{"# guess: opens tcp/5985", "also fits remote-admin/admin-workstation", "- configmgr-2012/exchange-connector"} {
		if !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(got, "\n      #  ", "")), " "), want) {
			t.Errorf("no %q:\n%s", want, got)
		}
	}
}

// TestUnexplainedStaysOut: what fits no document becomes no host, and what is a service of many kinds of hosts no domain controller.
func TestUnexplainedStaysOut(t *testing.T) {
	s := newSeen(t, "acronis-abr-11.5", "ad-member")
	s.fleet(3)
	s.tcp("10.1.1.2", "10.1.9.9", 31337)
	s.tcp("10.1.1.2", "10.1.9.8", 445)
	s.tcp("10.1.1.3", "10.1.9.8", 445)
	draft := s.draft(t)
	if !strings.Contains(draft, `# - {name: "host-10.1.9.9", addresses: [10.1.9.9]} answers tcp/31337 from host-10.1.1.2`) {
		t.Errorf("10.1.9.9 is not left out:\n%s", draft)
	}
	if strings.Contains(draft, "domain-controller") {
		t.Errorf("a file server is a domain controller:\n%s", draft)
	}
}

func TestDraftNothing(t *testing.T) {
	s := newSeen(t, "lync-2013-director")
	s.tcp("10.1.1.2", "10.1.9.9", 31337)
	if _, err := s.Draft("x"); err == nil || !strings.Contains(err.Error(), "no connection of the capture fits a documented flow of lync-2013-director") {
		t.Errorf("error %v", err)
	}
}

// TestDeterministic: the order of the maps of a survey leaves no trace.
func TestDeterministic(t *testing.T) {
	var first string
	for range 5 {
		s := newSeen(t, "acronis-abr-11.5", "ad-member", "monitoring")
		s.fleet(20)
		s.tcp("10.1.0.40", "10.1.1.3", 10050)
		s.tcp("10.1.0.40", "10.1.1.4", 10050)
		if draft := s.draft(t); first == "" {
			first = draft
		} else if draft != first {
			t.Fatal("two drafts of the same connections differ")
		}
	}
}

// TestHostileText: names from the wire and the title come out as text of one line, and as names of hosts only in the form of host names.
func TestHostileText(t *testing.T) {
	s := newSeen(t, "acronis-abr-11.5")
	nasty := []string{"a\nroles: [x]", `"], roles: [acronis-abr-11.5/agent]`, "x # y", "\x1b[31mred", "any", "internet.example", "null", "10.0.0.1", "-rf", "\u202etxt.exe", strings.Repeat("a", 300), "ams.example.com", "AMS.example.com", ""}
	for i, text := range nasty {
		s.tcp("10.1.1.1", "10.1.0.10", 9876, flow.Fact{Kind: flow.FactName, Origin: flow.NameSNI, Value: text})
		s.tcp("10.1.1.2", fmt.Sprintf("10.1.0.%d", 20+i), 9876, flow.Fact{Kind: flow.FactName, Origin: flow.NameSNI, Value: text})
		s.LearnName(&flow.Name{Origin: flow.NameNetBIOS, Name: text, Addr: netip.MustParseAddr("10.1.1.2")})
	}
	d, err := s.Draft("x\ny\x1b[2J\u202e\xff.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range string(d.Text) {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("the draft holds %q:\n%s", r, d.Text)
		}
	}
	site, _ := rules.LoadSiteBytes("x", d.Text)
	for _, h := range site.Hosts {
		if !usableName(h.Name) || h.Name == "any" {
			t.Errorf("a host is named %q", h.Name)
		}
	}
	if !bytes.Contains(d.Text, []byte(`name: "ams"`)) {
		t.Errorf("no host is called ams:\n%s", d.Text)
	}
}

// TestBounds: what exceeds a survey is counted and said.
func TestBounds(t *testing.T) {
	s := newSeen(t, "monitoring")
	s.tcp("10.1.0.1", "10.1.0.2", 10050)
	s.tcp("10.1.0.1", "10.1.0.3", 10050)
	for i := range maxExchanges + 1 {
		s.tcp("10.1.1.1", netip.AddrFrom4([4]byte{10, byte(2 + i>>16), byte(i >> 8), byte(i)}).String(), 31337)
	}
	if len(s.exchanges) > maxExchanges || len(s.addresses) > maxAddresses || s.lost.exchanges == 0 || s.lost.addresses == 0 {
		t.Errorf("%d exchanges of %d addresses, lost %+v", len(s.exchanges), len(s.addresses), s.lost)
	}
	if draft := s.draft(t); !strings.Contains(draft, "The capture holds more than a draft takes") {
		t.Errorf("the draft does not say that it is one of a part:\n%.3000s", draft)
	}
}

func BenchmarkDraft(b *testing.B) {
	for _, agents := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprint(agents), func(b *testing.B) {
			for b.Loop() {
				s := newSeen(b, "acronis-abr-11.5", "ad-member", "dns-ntp-dhcp", "lan-control", "monitoring", "remote-admin")
				s.fleet(agents)
				s.draft(b)
			}
		})
	}
}
