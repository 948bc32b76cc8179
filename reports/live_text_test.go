package reports

import (
	"strings"
	"testing"

	"pcapaudit/classify"
)

// liveAudit is sampleAudit as a gateway's, with a change of rules.
func liveAudit() *classify.Audit {
	a := sampleAudit()
	a.Period.Gaps = []classify.Gap{{From: "2026-01-02T03:40:00.000000000Z", Until: "2026-01-02T03:47:00.000000000Z"}}
	a.Coverage.Live = []classify.LiveInterface{{Name: "eth0", State: "up", Kernel: 1300, Delivered: 1204, Dropped: 96, Monitored: 3180e9, Blind: 420e9}, {Name: "eth1\x1b[31m<b>", State: "gone", Blind: 1500}}
	a.Coverage.Blind = []classify.BlindTime{{Interface: "eth0", From: "2026-01-02T03:40:00.000000000Z", Until: "2026-01-02T03:42:00.000000000Z", Cause: "down"},
		{From: "2026-01-02T03:42:00.000000000Z", Until: "2026-01-02T03:47:00.000000000Z", Cause: "not running"}}
	a.Coverage.MoreBlind = 7
	old := classify.PackRef{Name: "acronis-abr-11.5", Kind: "vendor", SHA256: strings.Repeat("12", 32)}
	a.Rules = []classify.RulesHeld{{From: "2026-01-02T03:04:05.000006000Z", Until: "2026-01-02T03:30:00.000000000Z", Packs: []classify.PackRef{old}, Site: a.Site},
		{From: "2026-01-02T03:30:00.000000000Z", Until: "2026-01-02T04:04:05.000006000Z", Packs: a.Packs, Site: a.Site}}
	return a
}

func TestReportsShowWhatWasNotWatched(t *testing.T) {
	for name, want := range map[string][]string{
		"table": {"eth0 was not watched 2026-01-02 03:40:00 to 2026-01-02 03:42:00: down", "nothing was watched 2026-01-02 03:42:00 to 2026-01-02 03:47:00: not running", "and 7 more times",
			"1,300 packets in the kernel = 1,204 delivered + 96 dropped; watched 53m0s, blind 7m0s", "blind 1.5µs", "from 2026-01-02 03:04:05 to 2026-01-02 03:30:00: acronis-abr-11.5 121212121212; site site.yaml efefefefefef"},
		"markdown": {"eth0 was not watched 2026-01-02 03:40:00 to 2026-01-02 03:42:00: down", "watched 53m0s, blind 7m0s", "Rules held:", "121212121212"},
		"html":     {"<li>eth0 was not watched 2026-01-02 03:40:00 to 2026-01-02 03:42:00: down</li>", "<li>and 7 more times</li>", `<td class="n">1,300</td>`, "<h3>Which rules held when</h3>", "121212121212"},
	} {
		f, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		got := string(render(t, f, liveAudit(), Look{Width: 100}))
		flat := strings.Join(strings.Fields(got), " ")
		for _, text := range want {
			if !strings.Contains(flat, strings.Join(strings.Fields(text), " ")) && !strings.Contains(strings.ReplaceAll(flat, `\`, ""), text) {
				t.Errorf("%s does not say %q", name, text)
			}
		}
		if strings.Contains(strings.ToLower(got), "no input covers 2026") && name != "html" || strings.Contains(got, "\x1b[31m") || strings.Contains(got, "m<b>") && name == "html" {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// TestReportsOfWhatNobodyKept holds that an interface is not called a capture that somebody forgot to hash, and that commands name the report that there is.
func TestReportsOfWhatNobodyKept(t *testing.T) {
	a := liveAudit()
	for i := range a.Inputs {
		a.Inputs[i].Format, a.Inputs[i].SHA256 = classify.LiveFormat, ""
	}
	for name, want := range map[string]string{"table": "watched live: nobody kept its packets, so they have no hash", "html": "What was watched live cannot be audited again"} {
		f, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(string(render(t, f, a, Look{Audit: "/srv/night.json"}))), " ")
		if !strings.Contains(text, want) || strings.Contains(text, "--hash none") {
			t.Errorf("%s without %q, or with --hash none", name, want)
		}
		if name == "table" && !strings.Contains(text, "why: pcapaudit explain /srv/night.json ID") {
			t.Error("the table names another report")
		}
	}
}
