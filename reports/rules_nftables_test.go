package reports

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"pcapaudit/rules"
)

// What a site file holds never ends a comment or a string, and nft reads the chain.
func TestNftablesOfHostileNames(t *testing.T) {
	site, problems := rules.LoadSiteBytes("s.yaml", []byte(`name: 'a" accept # }'
networks: [10.0.0.0/8, "fd00::/8"]
hosts:
  - {name: 'x"; flush ruleset', addresses: [10.0.0.1, "fd00::1"], os: linux}
  - {name: 'y {}', addresses: [10.0.0.0/24], os: windows}
flows:
  - {id: f, title: 'quote " and \ and a very long title', from: ['x"; flush ruleset', 'y {}'], to: ['y {}', any, internet, multicast, broadcast], proto: udp, ports: ["1-65535"], owner: O, justification: J, approver: A, date: 2026-01-01}
  - {id: g, title: ping, from: [any], to: ['x"; flush ruleset'], proto: icmp, owner: O, justification: J, approver: A, date: 2026-01-01}
exceptions:
  - {id: 'e } drop', from: any, to: 'y {}', proto: tcp, ports: ["1"], owner: O, approver: A, reason: R, ticket: T, until: 2027-01-01}
`))
	if site == nil {
		t.Fatal(problems)
	}
	set, problems := rules.Compile(nil, site)
	if set == nil {
		t.Fatal(problems)
	}
	var text bytes.Buffer
	if err := Nftables(&text, set, 0); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		code, comment, _ := strings.Cut(line, " comment ")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if strings.ContainsAny(code, `"`) || comment != "" && (strings.Count(comment, `"`) != 2 || len(comment) > maxRuleComment+3) {
			t.Errorf("%s", line)
		}
	}
	for _, want := range []string{"elements = { 10.0.0.0, 10.0.0.2-10.0.0.254 }", "th sport { 49152-65535 }", "ip6 saddr @opens/host/x___flush_ruleset/6 th sport { 32768-61000 }", "meta l4proto icmpv6",
		"ip daddr 224.0.0.0/4", "ip daddr @broadcast/4", "ip6 daddr != @inside/6"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Skip("nft is not installed: nobody has read the chain")
	}
	check := exec.Command(nft, "-c", "-f", "-")
	check.Stdin = &text
	if out, err := check.CombinedOutput(); err != nil && !strings.Contains(string(out), "Operation not permitted") {
		t.Errorf("nft: %v\n%.2000s", err, out)
	}
}
