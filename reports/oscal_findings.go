package reports

import (
	"fmt"
	"strings"

	"pcapaudit/classify"
)

// finding adds an observation, and a finding with its risk where the result rests on it or an exception covers it.
func (b *oscalBuilder) finding(f *classify.Finding) {
	at := len(b.result.Observations)
	o := oscalObservation{UUID: b.uuid("observation ", at), Title: orWord(escapeMarkdown(f.Summary), "Finding"), Description: orWord(escapeMarkdown(sentences(f.Summary, f.Reason, f.Nearest)), "Finding"),
		Props:   oscalProps("finding-id", f.ID, "kind", f.Kind, "verdict", verdictText(f), "severity", f.Severity, "flow", f.Flow, "service", f.Service, "connections", fmt.Sprint(f.Connections), "standing", f.Standing),
		Methods: []string{"TEST"}, Types: []string{"finding"}, Origins: b.tool, Evidence: b.evidence(f.Evidence), Collected: orWord(stamp(f.First), b.from()), Remarks: escapeMarkdown(sentences(f.Look, reviewOf(f)))}
	state := oscalState{State: "not-satisfied", Reason: "fail"}
	switch {
	case f.Verdict == "excepted":
		state.Reason = "other"
	case !f.Decides || f.Verdict == "not-testable" || f.Verdict == "indeterminate":
		o.Types = []string{"discovery"}
		o.Remarks = strings.TrimSpace(o.Remarks + " It does not decide the result.")
		b.result.Observations = append(b.result.Observations, o)
		return
	case f.Verdict == "attempted":
		state.Reason = "other" // one point of view does not tell why there was no connection
	}
	b.result.Observations = append(b.result.Observations, o)
	risk := b.risk(f, &o)
	b.result.Risks = append(b.result.Risks, risk)
	b.result.Findings = append(b.result.Findings, oscalFinding{UUID: b.uuid("finding ", at), Title: o.Title, Description: o.Description, Props: oscalProps("finding-id", f.ID), Origins: b.tool,
		Target: oscalTarget{"objective-id", objective(f), objectiveText(f), state}, Observations: []oscalObservedLink{{o.UUID}}, Risks: []oscalRiskLink{{risk.UUID}}})
}

// risk is open, or approved by an exception of the site.
func (b *oscalBuilder) risk(f *classify.Finding, o *oscalObservation) oscalRisk {
	r := oscalRisk{UUID: b.uuid("risk of ", o.UUID), Title: o.Title, Description: o.Description, Status: "open", Observations: []oscalObservedLink{{o.UUID}},
		Statement: "Traffic differs from the documents. This audit does not rate what that may lead to."}
	if f.Verdict == "excepted" {
		r.Status = "deviation-approved"
		r.Statement = escapeMarkdown(sentences("The site file holds the exception "+f.Exception, exceptionText(b.audit.Exceptions, f.Exception)))
	}
	return r
}

func objective(f *classify.Finding) string {
	if f.Flow == "" {
		return onlyDocumented
	}
	return oscalToken(f.Flow)
}

func objectiveText(f *classify.Finding) string {
	if f.Flow == "" {
		return "Nothing but documented flows is in use."
	}
	return flowObjective(f.Flow)
}

// flowObjective is what was tested, and no more.
func flowObjective(flow string) string {
	return "The documented flow " + escapeMarkdown(cleanText(flow)) + " is observed of every host that should originate it, and no deviation from it is found."
}

// expectation adds an observation of a documented flow, and a finding that says satisfied where nothing is left open: every host was observed, and no finding, also none that an
// exception covers, speaks of the flow.
func (b *oscalBuilder) expectation(e *classify.Expectation) {
	at := len(b.result.Observations)
	o := oscalObservation{UUID: b.uuid("observation ", at), Title: orWord(escapeMarkdown(cleanText(e.Flow)), "Documented flow"), Description: orWord(escapeMarkdown(sentences(e.Title+": "+e.Summary)), "Documented flow"),
		Props: oscalProps("flow", e.Flow, "service", e.Service, "need", need(*e)), Methods: []string{"TEST"}, Types: []string{"control-objective"}, Origins: b.tool,
		Evidence: b.evidence(e.Samples), Collected: b.from(), Remarks: openRemarks(e)}
	b.result.Observations = append(b.result.Observations, o)
	if b.doubted[e.Flow] || len(b.audit.Residuals) > 0 || !allObserved(e) {
		return
	}
	b.result.Findings = append(b.result.Findings, oscalFinding{UUID: b.uuid("finding ", at), Title: o.Title, Description: o.Description, Origins: b.tool,
		Target:       oscalTarget{"objective-id", oscalToken(e.Flow), flowObjective(e.Flow), oscalState{"satisfied", "pass"}},
		Observations: []oscalObservedLink{{o.UUID}}, Remarks: "Within the stated coverage: the period, the capture point, and what the result's remarks say it cannot show." + b.unverified(e.Flow)})
}

// unverified says of how many connections of a flow the payload did not tell whether they are encrypted.
func (b *oscalBuilder) unverified(flow string) string {
	var n uint64
	for _, g := range b.audit.Encryption.NotVerified {
		if g.Flow == flow {
			n += g.Connections
		}
	}
	if n == 0 {
		return ""
	}
	return " The documented encryption was not verified on " + plural(n, "connection") + "."
}

// allObserved is true where every host that should originate the flow was observed, and there is one.
func allObserved(e *classify.Expectation) bool {
	return e.Hosts > 0 && len(e.Open) == 0 && len(e.Statuses) == 1 && e.Statuses[0].Status == "observed" && e.Statuses[0].Hosts == e.Hosts
}

// openRemarks names the hosts of which the flow was not observed, and why.
func openRemarks(e *classify.Expectation) string {
	var lines []string
	for i, h := range e.Open {
		if i == ticketRows {
			lines = append(lines, more(len(e.Open)-i, "host"))
			break
		}
		lines = append(lines, escapeMarkdown(h.Host+": "+statusLead(h.Status)+strings.TrimPrefix(h.Reason, attemptedLead)))
	}
	return strings.Join(lines, "\n\n")
}

// evidence points to connections in the captures, which are resources.
func (b *oscalBuilder) evidence(list []classify.Evidence) []oscalEvidence {
	var out []oscalEvidence
	for _, e := range list {
		v := oscalEvidence{Description: escapeMarkdown(evidenceText(e)), Props: oscalProps("packet", positive(e.Packet), "connection-id", e.ID)}
		if i := inputOf(b.audit.Inputs, e); i >= 0 {
			v.Href = "#" + b.uuid("input ", i)
			v.Props = append(v.Props, oscalProps("sha-256", digest(b.audit.Inputs[i].SHA256))...)
		}
		out = append(out, v)
	}
	return out
}

// resources are what the results rest on: captures, packs, site.
func (b *oscalBuilder) resources() []oscalResource {
	var list []oscalResource
	for i, in := range b.audit.Inputs {
		list = append(list, b.resource(b.uuid("input ", i), "Capture "+inputName(in.Name), in.Name, in.SHA256,
			oscalProps("packets", fmt.Sprint(in.Packets), "bytes", fmt.Sprint(in.Size), "format", in.Format, "state", in.State, "first-packet", stamp(in.First), "last-packet", stamp(in.Last))))
	}
	for i, k := range b.audit.Packs {
		list = append(list, b.resource(b.uuid("pack ", i), "Rule pack "+k.Name, k.File, k.SHA256, oscalProps("kind", k.Kind, "product-version", k.Version, "status", k.Status)))
	}
	for i, p := range b.audit.Parts {
		list = append(list, b.resource(b.uuid("part ", i), "Combined audit "+p.File, p.File, p.SHA256, oscalProps("result", p.Verdict)))
	}
	if s := b.audit.Site; s != nil {
		list = append(list, b.resource(b.uuid("site"), "Site "+s.Name, s.File, s.SHA256, nil))
	}
	for i, v := range inventoriesOf(b.audit) {
		list = append(list, b.resource(b.uuid("inventory ", i), "Inventory "+v.File, v.File, v.SHA256, oscalProps("kind", v.Kind, "bytes", fmt.Sprint(v.Size), "hosts", fmt.Sprint(v.Hosts))))
	}
	return list
}

// resource links to a file where there is one; what has no file, standard input or a pack of the program, keeps its hash as a property.
func (b *oscalBuilder) resource(uuid, title, file, sha string, props []oscalProp) oscalResource {
	r := oscalResource{UUID: uuid, Title: escapeMarkdown(title), Props: props}
	sha = digest(sha)
	switch {
	case file == "" || file == "-":
		r.Props = append(r.Props, oscalProps("sha-256", sha)...)
	case sha == "":
		r.Links = []oscalLink{{Href: fileURI(file)}}
	default:
		r.Links = []oscalLink{{fileURI(file), []oscalHash{{"SHA-256", sha}}}}
	}
	return r
}
