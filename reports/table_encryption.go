package reports

import (
	"fmt"
	"strings"

	"pcapaudit/classify"
)

// encryption says what payloads showed of the documented encryption, and what was remarked of services.
func (p *page) encryption(a *classify.Audit) {
	e := &a.Encryption
	if len(e.Verified)+len(e.NotVerified) > 0 {
		p.head("Encryption of documented flows")
		var rows [][]string
		for _, u := range e.Verified {
			rows = append(rows, []string{cleanText(u.Flow), cleanText(u.Service), number(u.Connections), Clean(u.How)})
		}
		for _, u := range e.NotVerified {
			rows = append(rows, []string{cleanText(u.Flow), cleanText(u.Service), number(u.Connections), "not verified: " + Clean(u.Reason)})
		}
		p.payloads("seen", rows)
	}
	p.clientCertificates(e.ClientCerts)
	if len(e.Cleartext) > 0 {
		p.head("Documented cleartext")
		var rows [][]string
		for _, u := range e.Cleartext {
			what := Clean(u.What)
			if word := basisWords[u.Basis]; word != "" {
				what += " (" + word + ")"
			}
			rows = append(rows, []string{cleanText(u.Flow), cleanText(u.Service), number(u.Connections), what})
		}
		p.payloads("seen in clear", rows)
	}
	p.observations(a.Observations)
}

// clientCertificates says of flows with mutual TLS where the originator's certificate could be judged.
func (p *page) clientCertificates(list []classify.ClientCertUse) {
	for i, c := range list {
		if i == 0 {
			p.line("  Client certificates (mutual TLS), by connections:")
		}
		var parts []string
		for _, n := range []struct {
			connections uint64
			word        string
		}{{c.Requested, "requested"}, {c.NotRequested, "not requested"}, {c.Hidden, "not verifiable (TLS 1.3, or a resumed session)"}, {c.Unknown, "not read"}} {
			if n.connections > 0 {
				parts = append(parts, number(n.connections)+" "+n.word)
			}
		}
		p.para(4, "", cleanText(c.Flow)+": "+strings.Join(parts, ", "))
	}
}

var basisWords = map[string]string{"document": "the document says so", "site": "the site has switched encryption off"}

// payloads lays out what was seen of flows.
func (p *page) payloads(title string, rows [][]string) {
	kept := rows
	if len(rows) > foldRows && !p.look.All {
		kept = rows[:foldRows]
	}
	p.grid([]column{{title: "flow"}, {title: "service"}, {title: "connections", right: true}, {title: title, flex: true}}, kept)
	if more := len(rows) - len(kept); more > 0 {
		p.line("  and %s (see --all)", plural(uint64(more), "more line"))
	}
}

// observations are remarks that change no result.
func (p *page) observations(list []classify.Observation) {
	if len(list) == 0 {
		return
	}
	p.head("Observed of services in use")
	var rows [][]string
	for i, o := range list {
		if i == foldRows && !p.look.All {
			break
		}
		first := fmt.Sprintf("packet %d", o.Sample.Packet)
		if len(p.audit.Inputs) > 1 {
			first += " of " + inputName(o.Sample.File)
		}
		rows = append(rows, []string{Clean(o.Note), cleanText(o.Service), number(uint64(o.Hosts)), number(o.Connections), first})
	}
	p.grid([]column{{title: "what", flex: true}, {title: "service"}, {title: "hosts", right: true}, {title: "connections", right: true}, {title: "first"}}, rows)
	if more := len(list) - len(rows); more > 0 {
		p.line("  and %s (see --all)", plural(uint64(more), "more remark"))
	}
}
