package reports

import (
	"fmt"
	"strings"

	"pcapaudit/classify"
)

func (p *page) coverage(a *classify.Audit) {
	p.head("Coverage: what this report cannot show")
	for _, s := range a.Coverage.CannotShow {
		p.para(2, "- ", Clean(s))
	}
	most := foldRows
	if p.look.All {
		most = len(a.Coverage.Blind)
	}
	for _, s := range append(gapLines(a, most), watchedLines(&a.Coverage)...) {
		p.para(2, "- ", Clean(s))
	}
	p.para(2, "", supporting)
}

// What every report says of itself: how far it goes, and when it goes nowhere.
const (
	supporting = "Documented is not approved, and a capture is supporting evidence: this audit does not say that a standard is met."
	untrusted  = "A ledger does not balance; this audit is not to be trusted:"
)

// ledgers prints both sums, so that a reader can add them up.
func (p *page) ledgers(a *classify.Audit) {
	p.head("Ledgers")
	for _, l := range ledgerLines(a) {
		p.para(2, fmt.Sprintf("%-13s", l.Label), l.Text)
	}
	if !p.look.All {
		return
	}
	for _, d := range a.Packets.Detail {
		p.line("    %s  %s", cleanText(d.Name), number(d.Packets))
	}
}

// ledgerLines are both ledgers as sums.
func ledgerLines(a *classify.Audit) []pairView {
	lines := []pairView{{"packets", fmt.Sprintf("%s read = %s", number(a.Packets.Read), countSum(a.Packets.Classes))}}
	if len(a.Packets.Inside) > 0 {
		var inside uint64
		for _, c := range a.Packets.Inside {
			inside += c.Packets
		}
		lines = append(lines, pairView{"in tunnels", fmt.Sprintf("%s opened = %s", number(inside), countSum(a.Packets.Inside))})
	}
	var verdicts []string
	for _, t := range a.Totals {
		if t.Connections > 0 {
			verdicts = append(verdicts, number(t.Connections)+" "+cleanText(t.Verdict))
		}
	}
	return append(lines, pairView{"bytes", fmt.Sprintf("%s read + %s unread", number(a.Packets.Bytes), number(a.Packets.Unread))},
		pairView{"connections", fmt.Sprintf("%s created = %s open + %s emitted", number(a.Connections.Created), number(a.Connections.Open), number(a.Connections.Emitted))},
		pairView{"verdicts", fmt.Sprintf("%s emitted = %s", number(a.Connections.Emitted), sum(verdicts))})
}

func countSum(list []classify.Count) string {
	var parts []string
	for _, c := range list {
		if c.Packets > 0 {
			parts = append(parts, number(c.Packets)+" "+cleanText(c.Name))
		}
	}
	return sum(parts)
}

func sum(parts []string) string {
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, " + ")
}

// inputs says what the report rests on: what was read, by which rules, with the hashes to check it by.
func (p *page) inputs(a *classify.Audit) {
	p.head("Inputs, rules and their SHA-256")
	for i, in := range a.Inputs {
		if i == foldRows && !p.look.All {
			p.line("  and %s (see --all)", plural(uint64(len(a.Inputs)-i), "more file"))
			break
		}
		p.input(i, &in)
	}
	var folded []string
	for _, k := range a.Packs {
		if k.Kind == "baseline" && k.File == "" && !p.look.All {
			folded = append(folded, cleanText(k.Name))
			continue
		}
		name := fmt.Sprintf("%s pack %s", cleanText(k.Kind), cleanText(k.Name))
		if k.Status != "" {
			name += ", " + cleanText(k.Status)
		}
		if k.File != "" {
			name += ", " + cleanText(k.File)
		}
		p.para(2, "", name)
		p.line("     %s", cleanText(k.SHA256))
	}
	if a.Site != nil {
		p.para(2, "", "site "+cleanText(a.Site.File))
		p.line("     %s", cleanText(a.Site.SHA256))
	}
	for i, v := range inventoriesOf(a) {
		if i == foldRows && !p.look.All {
			p.line("  and %s (see --all)", plural(uint64(len(a.Site.Inventories)-i), "more file"))
			break
		}
		p.para(2, "", fmt.Sprintf("inventory %s (%s)", cleanText(v.File), inventoryFile(&v)))
		p.line("     %s", cleanText(v.SHA256))
	}
	for _, s := range heldLines(a.Rules, foldRows) {
		p.para(2, "rules ", Clean(s))
	}
	if e := a.Evidence; e != nil {
		p.para(2, "", "evidence "+cleanText(evidenceFileText(e)))
		p.line("     %s", cleanText(e.SHA256))
	}
	if len(folded) > 0 {
		p.para(2, "", "baseline packs of the program (see --all): "+strings.Join(folded, ", "))
	}
	p.para(2, "", cleanText("written by "+writtenBy(a)))
}

func (p *page) input(number int, in *classify.Input) {
	format := in.Format
	if in.Compression != "" {
		format += "." + in.Compression
	}
	state := in.State
	if in.Detail != "" {
		state += ": " + in.Detail
	}
	p.para(2, fmt.Sprintf("%-2d ", number), fmt.Sprintf("%s (%s, %s, %s), %s", inputName(in.Name), cleanText(format), size(uint64(in.Size)), plural(in.Packets, "packet"), cleanText(state)))
	switch {
	case in.SHA256 != "":
		p.line("     %s", cleanText(in.SHA256))
	case in.Format == classify.LiveFormat:
		p.para(5, "", "watched live: nobody kept its packets, so they have no hash; nothing but a signature on this report (--sign) can vouch for it")
	default:
		p.para(5, "", "not hashed (--hash none): this report cannot be verified against its inputs")
	}
	if s := saidByFile(in); s != "" {
		p.para(5, "by the file: ", Clean(s))
	}
	for i := range in.Records {
		p.para(5, "by the site: ", Clean(in.Records[i].For)+": "+recordText(&in.Records[i]))
	}
	for _, w := range in.Warnings {
		p.para(5, "warning: ", Clean(w))
	}
}
