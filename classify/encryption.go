package classify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what is remembered of payloads.
const (
	maxWays         = 16      // words of encryption or cleartext that are kept apart for one flow
	maxObservations = 1 << 12 // notes at different services
	maxObserved     = 1 << 16 // hosts of all observations
	maxUncertified  = 1 << 12 // responders that ask for no client certificate
)

// otherWays stands for the words beyond maxWays.
const otherWays = "others"

// encryptions sums up what payloads told of documented connections.
type encryptions struct {
	flows       map[*rules.Flow]*flowPayloads
	uncertified map[certKey]*uncertified
	notes       map[noteKey]*observation
	observed    int // hosts in notes
	unkept      uint64
}

// flowPayloads is what the payloads of one flow's documented connections told.
type flowPayloads struct {
	demand    demand
	encrypted map[string]*tally // where encryption is demanded: by what encrypts
	clear     map[string]*tally // where it is not: by what was seen in clear
	blanks    [numBlanks]tally
	printable portSpan // of unknown payloads, in per cent and one more
	certs     ClientCertUse
}

// certKey is a responder of a flow with mutual TLS.
type certKey struct {
	flow *rules.Flow
	resp party
	port uint16
}

type uncertified struct {
	view     view
	sum      tally
	evidence []seen
}

// noteKey is an observation about a service. It holds no host: the same weakness on hundreds of hosts is one line.
type noteKey struct {
	note  string
	proto flow.Proto
	port  int
}

type observation struct {
	tally
	hosts    map[party]struct{}
	evidence []seen
}

func newEncryptions() encryptions {
	return encryptions{flows: map[*rules.Flow]*flowPayloads{}, uncertified: map[certKey]*uncertified{}, notes: map[noteKey]*observation{}}
}

// add takes a judged connection in scope, with its payload.
func (e *encryptions) add(a *Auditor, c *flow.Conn, j *judged, p *payload) {
	if len(c.Facts) > 0 {
		e.observe(a, c, j)
	}
	if j.verdict != documented {
		return
	}
	o := j.option
	k := a.kept(o)
	if k.payloads == nil {
		if k.payloads = e.flows[j.flow]; k.payloads == nil {
			k.payloads = &flowPayloads{demand: o.demand, encrypted: map[string]*tally{}, clear: map[string]*tally{}}
			e.flows[j.flow] = k.payloads
		}
	}
	f := k.payloads
	switch {
	case j.opens&openEncryption != 0:
		b := p.blank(c)
		f.blanks[b].add(c)
		if b == blankUnknown {
			f.printable.add(uint16(p.printable) + 1)
		}
	case p.clear != nil:
		way(f.clear, p.clear.Value).add(c)
	case o.demand == demandEncrypted:
		way(f.encrypted, p.encrypted.Value).add(c)
	}
	if slices.Contains(j.flow.EncryptionProtocols, "mtls") && p.encrypted != nil {
		e.certificate(a, c, j, p, f)
	}
}

// way is the tally of a word.
func way(ways map[string]*tally, word string) *tally {
	t := ways[word]
	if t == nil && len(ways) >= maxWays {
		word = otherWays
		t = ways[word]
	}
	if t == nil {
		t = &tally{}
		ways[word] = t
	}
	return t
}

// certificate notes whether the responder asked for the originator's certificate. TLS 1.3 encrypts the request.
func (e *encryptions) certificate(a *Auditor, c *flow.Conn, j *judged, p *payload, f *flowPayloads) {
	switch p.clientCert {
	case "requested", "sent":
		f.certs.Requested++
	case "hidden":
		f.certs.Hidden++
	case "not requested":
		f.certs.NotRequested++
		key := certKey{j.flow, a.partyOf(j.view.resp, j.view.to.Addr()), j.view.to.Port()}
		u := e.uncertified[key]
		if u == nil {
			if len(e.uncertified) >= maxUncertified {
				e.unkept++
				return
			}
			u = &uncertified{view: j.view}
			e.uncertified[key] = u
		}
		if len(u.evidence) == 0 || c.ID.Compare(u.evidence[0].id) < 0 {
			u.view = j.view
		}
		u.sum.add(c)
		u.evidence = keepFirst(u.evidence, maxEvidence, c, &j.view)
	default:
		f.certs.Unknown++
	}
}

// observe notes what inspection remarked of the responder's service. What an originator asks a proxy for is one remark, whatever it is.
func (e *encryptions) observe(a *Auditor, c *flow.Conn, j *judged) {
	for i := range c.Facts {
		f := &c.Facts[i]
		switch {
		case f.Kind != flow.FactNote:
		case isConnect(f):
			e.note(a, c, j, "CONNECT through a proxy")
		default:
			e.note(a, c, j, f.Value)
		}
	}
}

func (e *encryptions) note(a *Auditor, c *flow.Conn, j *judged, text string) {
	key := noteKey{text, c.Proto, servicePort(c, &j.view)}
	o := e.notes[key]
	if o == nil {
		if len(e.notes) >= maxObservations {
			e.unkept++
			return
		}
		o = &observation{hosts: map[party]struct{}{}}
		e.notes[key] = o
	}
	o.add(c)
	o.evidence = keepFirst(o.evidence, 1, c, &j.view)
	who := a.partyOf(j.view.resp, j.view.to.Addr())
	if _, ok := o.hosts[who]; ok {
		return
	}
	if e.observed >= maxObserved {
		e.unkept++
		return
	}
	e.observed++
	o.hosts[who] = struct{}{}
}

// export lists the flows in the order of packs and of their documents.
func (e *encryptions) export(a *Auditor) Encryption {
	out := Encryption{Verified: []EncryptionUse{}, NotVerified: []EncryptionGap{}, Cleartext: []CleartextUse{}, ClientCerts: []ClientCertUse{}}
	for _, p := range a.set.Packs {
		for _, f := range p.Flows {
			s := e.flows[f]
			if s == nil {
				continue
			}
			ref, service := f.Ref(), a.service(f)
			for _, word := range slices.Sorted(maps.Keys(s.encrypted)) {
				t := s.encrypted[word]
				out.Verified = append(out.Verified, EncryptionUse{ref, service, word, t.connections, t.bytes})
			}
			for b, t := range s.blanks {
				if t.connections > 0 {
					out.NotVerified = append(out.NotVerified, EncryptionGap{ref, service, s.blankWords(blank(b)), t.connections, t.bytes})
				}
			}
			for _, word := range slices.Sorted(maps.Keys(s.clear)) {
				t := s.clear[word]
				out.Cleartext = append(out.Cleartext, CleartextUse{ref, service, word, a.basis(f), t.connections, t.bytes})
			}
			if certs := s.certs; certs != (ClientCertUse{}) {
				certs.Flow, certs.Service = ref, service
				out.ClientCerts = append(out.ClientCerts, certs)
			}
		}
	}
	return out
}

func (s *flowPayloads) blankWords(b blank) string {
	if b != blankUnknown {
		return blankNames[b]
	}
	share := strconv.Itoa(int(s.printable.low) - 1)
	if s.printable.low != s.printable.high {
		share += " to " + strconv.Itoa(int(s.printable.high)-1)
	}
	return blankNames[b] + ", " + share + " % printable"
}

// basis is whose word lets a flow run in clear.
func (a *Auditor) basis(f *rules.Flow) string {
	switch {
	case f.Encryption == "forbidden":
		return "document"
	case a.set.Unencrypted(f) != nil:
		return "site"
	}
	return "unstated"
}

// observations lists what inspection remarked, the most connections first.
func (e *encryptions) observations(files []Input) []Observation {
	list := []Observation{}
	for k, o := range e.notes {
		list = append(list, Observation{Note: k.note, Service: serviceName(k.proto, k.port), Hosts: len(o.hosts), Connections: o.connections, Sample: evidence(o.evidence, files)[0]})
	}
	slices.SortFunc(list, func(a, b Observation) int {
		return cmp.Or(cmp.Compare(a.Note, b.Note), -cmp.Compare(a.Connections, b.Connections), cmp.Compare(a.Service, b.Service))
	})
	return list
}

// findings gives one finding for each responder that asks for no certificate where the document has mutual TLS.
func (e *encryptions) findings(a *Auditor, files []Input) []Finding {
	var list []Finding
	for k, u := range e.uncertified {
		f := Finding{Kind: kindMutualTLS, Severity: severities[low], Verdict: documented.String(), Why: []string{}, Flow: k.flow.Ref(), Proto: k.flow.Proto,
			Port: strconv.Itoa(int(k.port)), Service: serviceName(flow.TCP, int(k.port)), Orig: EndRef{Roles: k.flow.FromRoles()}, Resp: endRef(k.resp, u.view.resp, u.view.to.Addr().String()),
			Connections: u.sum.connections, Bytes: u.sum.bytes, Outcomes: []OutcomeCount{}, Evidence: evidence(u.evidence, files), Hosts: []string{}, Cite: cites(k.flow)}
		who := a.endName(f.Resp, u.view.resp)
		f.Summary = fmt.Sprintf("%s asks for no client certificate on %s", who, f.Service)
		f.Reason = fmt.Sprintf("%s documents TLS with certificates of both sides (MTLS); up to TLS 1.2 the responder's request shows, and there was none", k.flow.Ref())
		f.Look = "check whether " + who + " demands a client certificate there"
		f.ID = findingID(f.Kind, f.Verdict, "", f.Flow, "", k.resp.name(), f.Proto, f.Port, "")
		list = append(list, f)
	}
	return list
}
