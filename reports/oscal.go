package reports

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"pcapaudit/classify"
)

const (
	oscalVersion = "1.1.3"
	oscalNS      = "urn:pcapaudit:oscal"

	// objectives that are no documented flow
	onlyDocumented = "documented-flows-only" // nothing but documented flows is in use
)

// writeOSCAL renders an audit as OSCAL assessment results, method TEST. Every finding of the audit and every documented flow is an observation; a finding says not-satisfied
// where the result rests on it or an exception covers it, and satisfied where every host of a flow was observed and nothing is to be said of the flow. What could not be
// tested, was not observed or is not certain is an observation with remarks and never a finding. All UUIDs follow from the content (version 5).
func writeOSCAL(w io.Writer, a *classify.Audit, look Look) error {
	b, err := newOSCAL(a, look)
	if err != nil {
		return fmt.Errorf("write oscal report: %w", err)
	}
	reviewed, err := oscalReviewedOf(look.Controls)
	if err != nil {
		return fmt.Errorf("write oscal report: %w", err)
	}
	for i := range a.Findings[:min(len(a.Findings), maxResults)] {
		b.finding(&a.Findings[i])
	}
	for i := range a.Expectations {
		b.expectation(&a.Expectations[i])
	}
	b.result.Reviewed = reviewed
	resources := b.resources()
	plan := b.plan(&resources)
	doc := oscalDocument{oscalAssessment{UUID: b.uuid("document"), Metadata: b.metadata(), Plan: plan, Results: []oscalResult{b.result}}}
	if len(resources) > 0 {
		doc.Results.BackMatter = &oscalBackMatter{resources}
	}
	if err := indented(w, doc); err != nil {
		return fmt.Errorf("write oscal report: %w", err)
	}
	return nil
}

// oscalBuilder collects one result.
type oscalBuilder struct {
	audit   *classify.Audit
	look    Look
	content string // SHA-256 of what the document says
	tool    []oscalOrigin
	result  oscalResult
	doubted map[string]bool // flows of which a finding says something
}

func newOSCAL(a *classify.Audit, look Look) (*oscalBuilder, error) {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(struct {
		Audit    *classify.Audit
		Epoch    int64
		Plan     string
		Controls []string
	}{a, look.Epoch, look.Plan, look.Controls}); err != nil {
		return nil, err
	}
	b := &oscalBuilder{audit: a, look: look, content: fmt.Sprintf("%x", h.Sum(nil)), doubted: map[string]bool{}}
	tool := b.uuid("tool")
	b.tool = []oscalOrigin{{[]oscalActor{{"tool", tool}}}}
	for i := range a.Findings {
		b.doubted[a.Findings[i].Flow] = true
	}
	b.result = oscalResult{UUID: b.uuid("result"), Title: "Traffic against documented flows", Description: b.description(), Start: b.from(), End: b.last(),
		Props: append(oscalProps("result", a.Result.Verdict, "exit-code", fmt.Sprint(a.Result.Code)), ledgerProps(a)...), Remarks: b.remarks(),
		Definitions: oscalDefinitions{[]oscalComponent{{UUID: tool, Type: "software", Title: orWord(escapeMarkdown(cleanText(a.Tool.Name)), "pcapaudit"),
			Description: "The tool that read the captures and wrote these results.", Props: oscalProps("version", a.Tool.Version), Status: oscalState{State: "operational"}}}}}
	return b, nil
}

// uuidSpace is the name space of the UUIDs: a constant, so that the content alone decides them.
var uuidSpace = [16]byte{0x6e, 0x1d, 0x2b, 0x0c, 0x8f, 0x43, 0x5a, 0x57, 0x9d, 0x0e, 0x44, 0x1c, 0x73, 0xba, 0x60, 0x25}

// uuid is version 5 (RFC 9562, 5.5, which names SHA-1) of the content and what it names.
func (b *oscalBuilder) uuid(parts ...any) string {
	h := sha1.New()
	h.Write(uuidSpace[:])
	fmt.Fprintf(h, "%s %q", b.content, fmt.Sprint(parts...))
	u := h.Sum(nil)[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// from, last and collected are times of the capture; where it has none, the epoch that was given.
func (b *oscalBuilder) from() string { return orWord(stamp(b.audit.Period.CoveredFrom), b.epoch()) }
func (b *oscalBuilder) last() string { return orWord(stamp(b.audit.Period.CoveredLast), b.from()) }
func (b *oscalBuilder) epoch() string {
	return time.Unix(b.look.Epoch, 0).UTC().Format(time.RFC3339)
}

func (b *oscalBuilder) metadata() oscalMetadata {
	modified := b.last()
	if b.look.Epoch != 0 {
		modified = b.epoch()
	}
	return oscalMetadata{Title: "Audit of traffic against documented flows", Modified: modified, Version: b.content[:16], OSCAL: oscalVersion,
		Props: oscalProps("schema", b.audit.Schema), Remarks: "The time of last modification is that of the last packet unless one was given, so that the same audit gives the same document."}
}

// plan refers to the assessment plan; where none was named a resource says so.
func (b *oscalBuilder) plan(resources *[]oscalResource) oscalReference {
	if b.look.Plan != "" {
		return oscalReference{Href: b.look.Plan}
	}
	id := b.uuid("no plan")
	*resources = append(*resources, oscalResource{UUID: id, Title: "No assessment plan",
		Description: "No assessment plan exists for this audit, or none was named. This resource stands in its place because the format demands a reference."})
	return oscalReference{Href: "#" + id, Remarks: "No assessment plan was named."}
}

func (b *oscalBuilder) description() string {
	r := &b.audit.Result
	return escapeMarkdown(sentences(r.Verdict+": "+r.Text, strings.Join(r.Reasons, "; ")))
}

// remarks hold what the results cannot show.
func (b *oscalBuilder) remarks() string {
	lines := []string{supportingOnly}
	for _, s := range b.audit.Residuals {
		lines = append(lines, "A ledger does not balance, these results are not to be trusted: "+escapeMarkdown(s))
	}
	if n := len(b.audit.Findings) - maxResults; n > 0 {
		lines = append(lines, "Beyond the limit of this format: "+more(n, "finding")+". They too keep a flow from being satisfied.")
	}
	if b.audit.Overflow > 0 {
		lines = append(lines, plural(b.audit.Overflow, "connection")+" beyond the limit of findings count for the result.")
	}
	for _, s := range b.audit.Coverage.CannotShow {
		lines = append(lines, "Cannot show: "+escapeMarkdown(s))
	}
	return strings.Join(lines, "\n\n")
}

// oscalProps are names and values in pairs; a value that is empty or no line of text is left out.
func oscalProps(pairs ...string) []oscalProp {
	var list []oscalProp
	for i := 0; i < len(pairs); i += 2 {
		if v := strings.TrimSpace(Clean(pairs[i+1])); v != "" {
			list = append(list, oscalProp{pairs[i], oscalNS, v})
		}
	}
	return list
}

func ledgerProps(a *classify.Audit) []oscalProp {
	var list []oscalProp
	for _, l := range ledgerLines(a) {
		list = append(list, oscalProps("ledger-"+strings.ReplaceAll(l.Label, " ", "-"), l.Text)...)
	}
	return list
}

// oscalToken makes an NCName of a flow: what does not fit in one becomes "_".
func oscalToken(s string) string {
	var t strings.Builder
	for _, r := range cleanText(s) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(".-_", r) {
			t.WriteRune(r)
		} else {
			t.WriteByte('_')
		}
	}
	if t.Len() == 0 || !unicode.IsLetter([]rune(t.String())[0]) {
		return "_" + t.String()
	}
	return t.String()
}
