package reports

import (
	"fmt"
	"io"
	"strings"

	"pcapaudit/classify"
)

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// fingerprintKey names what a viewer matches results of different runs by: the finding's id, which holds no times.
const fingerprintKey = "pcapauditFinding/v1"

// maxResults bounds the findings of a SARIF and of an OSCAL report; the worst come first, the rest is counted. GitHub keeps as many of a run.
const maxResults = 5000

// writeSARIF renders the failures of an audit as SARIF 2.1.0: findings that decide or are of high or medium severity, and those that an
// exception suppresses. A rule is a documented flow, or the verdict where no flow is concerned; a location is a capture file, with the packet in its message.
func writeSARIF(w io.Writer, a *classify.Audit, _ Look) error {
	run := sarifRun{Artifacts: []sarifArtifact{}, Results: []sarifResult{}, ColumnKind: "unicodeCodePoints", Properties: sarifProperties(a),
		Tool:        sarifTool{sarifDriver{Name: orWord(cleanText(a.Tool.Name), "pcapaudit"), Version: cleanText(a.Tool.Version), Rules: []sarifRule{}}},
		Invocations: []sarifInvocation{sarifInvocationOf(a)}}
	for i := range a.Inputs {
		run.Artifacts = append(run.Artifacts, sarifArtifactOf(i, &a.Inputs[i]))
	}
	titles := map[string]string{}
	for _, e := range a.Expectations {
		titles[e.Flow] = e.Title
	}
	rules, left := map[string]int{}, 0
	for i := range a.Findings {
		f := &a.Findings[i]
		if !isFailure(f) {
			continue
		}
		if len(run.Results) == maxResults {
			left++
			continue
		}
		id := sarifRuleID(f)
		at, known := rules[id]
		if !known {
			at = len(run.Tool.Driver.Rules)
			rules[id] = at
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(id, titles[f.Flow], f))
		}
		run.Results = append(run.Results, sarifResultOf(a, f, id, at))
	}
	if left > 0 {
		v := &run.Invocations[0]
		v.Notifications = append(v.Notifications, sarifNotification{"error", sarifMessage(more(left, "failure"))})
	}
	if err := indented(w, sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}); err != nil {
		return fmt.Errorf("write sarif report: %w", err)
	}
	return nil
}

// isFailure is a finding that somebody must act on, or has approved. What could not be judged or tested has failed in nothing.
func isFailure(f *classify.Finding) bool {
	switch f.Verdict {
	case "excepted":
		return true
	case "indeterminate", "not-testable":
		return false
	}
	return f.Decides || f.Severity == "high" || f.Severity == "medium"
}

func sarifRuleID(f *classify.Finding) string {
	id := f.Flow
	switch {
	case id != "":
	case f.Kind != "connection":
		id = f.Kind
	default:
		id = orWord(f.Original, f.Verdict)
		if len(f.Why) > 0 {
			id += "/" + f.Why[0]
		}
	}
	return orWord(cleanText(id), "finding")
}

func sarifRuleOf(id, title string, f *classify.Finding) sarifRule {
	text := title
	switch {
	case f.Flow != "" && title == "":
		text = "the documented flow " + f.Flow
	case f.Flow == "" && f.Kind == "connection":
		text = "connections judged " + strings.ReplaceAll(id, "/", ": ")
	case f.Flow == "":
		text = "findings of the kind " + f.Kind
	}
	r := sarifRule{ID: id, Short: sarifMessage(text)}
	if f.Flow != "" && len(f.Cite) > 0 {
		r.Properties = map[string]any{"documents": cleanList(f.Cite)}
	}
	return r
}

// sarifMessage makes plain text of it: braces are doubled (section 3.11.5), and nothing becomes an embedded link (3.11.6).
func sarifMessage(text string) sarifText {
	text = strings.NewReplacer("{", "{{", "}", "}}", "](", "] (").Replace(Clean(text))
	return sarifText{orWord(text, "none")}
}

var (
	sarifLevels    = map[string]string{"high": "error", "medium": "warning"}
	sarifBaselines = map[string]string{"new": "new", "known": "unchanged"}
)

func sarifResultOf(a *classify.Audit, f *classify.Finding, rule string, at int) sarifResult {
	r := sarifResult{RuleID: rule, RuleIndex: at, Kind: "fail", Level: orWord(sarifLevels[f.Severity], "note"), Count: f.Connections,
		Message:      sarifMessage(sentences(f.Summary, f.Reason, f.Nearest, f.Look)),
		Fingerprints: map[string]string{fingerprintKey: cleanText(f.ID)}, Suppressions: []sarifSuppression{}, Baseline: sarifBaselines[f.Standing],
		Properties: map[string]any{"severity": cleanText(f.Severity), "verdict": verdictText(f), "decides": f.Decides, "kind": cleanText(f.Kind), "service": cleanText(f.Service)}}
	if len(f.Hosts) > 0 {
		r.Properties["hosts"] = cleanList(f.Hosts)
	}
	if review := reviewOf(f); review != "" { // changes no result, so it suppresses nothing
		r.Properties["review"] = review
	}
	for _, e := range f.Evidence {
		r.Locations = append(r.Locations, sarifLocationOf(a, e))
	}
	if len(r.Locations) == 0 && len(a.Inputs) > 0 { // a viewer drops a result without a location
		first := 0
		r.Locations = []sarifLocation{{sarifPhysical{sarifURI{fileURI(a.Inputs[0].Name), &first}}, sarifMessage("found in the captures as a whole, not in one packet")}}
	}
	if f.Verdict == "excepted" {
		why := sentences("exception "+f.Exception, exceptionText(a.Exceptions, f.Exception))
		r.Suppressions = append(r.Suppressions, sarifSuppression{"external", "accepted", why})
	}
	return r
}

// exceptionText says who approved an exception and why.
func exceptionText(list []classify.ExceptionUse, id string) string {
	for _, e := range list {
		if e.ID == id {
			return fmt.Sprintf("%s; approved by %s, ticket %s, until %s", e.Reason, e.Approver, orWord(e.Ticket, "none"), orWord(e.Until, "no end stated"))
		}
	}
	return ""
}

func sarifLocationOf(a *classify.Audit, e classify.Evidence) sarifLocation {
	l := sarifLocation{Message: sarifMessage(evidenceText(e))}
	l.Physical.Artifact.URI = fileURI(e.File)
	if i := inputOf(a.Inputs, e); i >= 0 {
		l.Physical.Artifact.Index = &i
	}
	return l
}

func sarifArtifactOf(i int, in *classify.Input) sarifArtifact {
	out := sarifArtifact{Location: sarifURI{URI: fileURI(in.Name)}, Length: max(in.Size, -1), Roles: []string{"analysisTarget"},
		Properties: map[string]any{"input": i, "format": cleanText(in.Format), "packets": in.Packets, "firstPacket": stamp(in.First), "lastPacket": stamp(in.Last), "state": cleanText(in.State)}}
	if sha := digest(in.SHA256); sha != "" {
		out.Hashes = map[string]string{"sha-256": sha}
	}
	return out
}

// sarifInvocationOf gives the result. The times of the run are not stated: the same audit gives the same bytes.
func sarifInvocationOf(a *classify.Audit) sarifInvocation {
	v := sarifInvocation{Successful: len(a.Residuals) == 0, ExitCode: a.Result.Code, ExitText: Clean(a.Result.Verdict + ": " + a.Result.Text), Notifications: []sarifNotification{},
		Properties: map[string]any{"result": cleanText(a.Result.Verdict), "reasons": cleanList(a.Result.Reasons)}}
	var ledgers []string
	for _, l := range ledgerLines(a) {
		ledgers = append(ledgers, Clean(l.Label+": "+l.Text))
	}
	v.Properties["ledgers"] = ledgers
	for _, s := range a.Residuals {
		v.Notifications = append(v.Notifications, sarifNotification{"error", sarifMessage("a ledger does not balance: " + s)})
	}
	if a.Overflow > 0 {
		v.Notifications = append(v.Notifications, sarifNotification{"error", sarifMessage(fmt.Sprintf("%d connections beyond the limit of findings count for the result", a.Overflow))})
	}
	for _, s := range a.Warnings {
		v.Notifications = append(v.Notifications, sarifNotification{"warning", sarifMessage(s)})
	}
	for _, s := range a.Coverage.CannotShow {
		v.Notifications = append(v.Notifications, sarifNotification{"note", sarifMessage("cannot show: " + s)})
	}
	return v
}

func sarifProperties(a *classify.Audit) map[string]any {
	packs := []map[string]string{}
	for _, k := range a.Packs {
		pack := map[string]string{"name": cleanText(k.Name), "kind": cleanText(k.Kind), "productVersion": cleanText(k.Version), "sha-256": digest(k.SHA256)}
		if k.Status != "" {
			pack["status"] = cleanText(k.Status)
		}
		packs = append(packs, pack)
	}
	p := map[string]any{"packs": packs, "coveredFrom": stamp(a.Period.CoveredFrom), "coveredLast": stamp(a.Period.CoveredLast)}
	if a.Site != nil {
		p["site"] = map[string]string{"name": cleanText(a.Site.Name), "file": cleanText(a.Site.File), "sha-256": digest(a.Site.SHA256)}
	}
	if lists := inventoriesOf(a); len(lists) > 0 {
		var files []map[string]string
		for _, v := range lists {
			files = append(files, map[string]string{"file": cleanText(v.File), "kind": cleanText(v.Kind), "sha-256": digest(v.SHA256)})
		}
		p["inventories"] = files
	}
	return p
}

func cleanList(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Clean(s)
	}
	return out
}

// orWord gives a word where there is none.
func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}
