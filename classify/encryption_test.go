package classify

import (
	"encoding/json"
	"strings"
	"testing"
)

const cipherPack = `
name: p
kind: vendor
title: Product
product_version: "1"
documents: [{id: d, title: Document, date: "", file: d.txt}]
roles: [{name: agent, title: Agent}, {name: server, title: Server}]
flows:
  - {id: tls, title: t, from: [agent], to: [server], proto: tcp, ports: ["1"], occurrence: on-demand, encryption: required, encryption_protocols: [tls], cite: [{document: d, lines: "1", section: s}]}
  - {id: ssh, title: t, from: [agent], to: [server], proto: tcp, ports: ["2"], occurrence: on-demand, encryption: required, encryption_protocols: [ssh], cite: [{document: d, lines: "1", section: s}]}
  - {id: mtls, title: t, from: [agent], to: [server], proto: tcp, ports: ["3"], occurrence: on-demand, encryption: required, encryption_protocols: [mtls], cite: [{document: d, lines: "1", section: s}]}
  - {id: default, title: t, from: [agent], to: [server], proto: tcp, ports: ["4"], occurrence: on-demand, encryption: expected, cite: [{document: d, lines: "1", section: s}]}
  - {id: never, title: t, from: [agent], to: [server], proto: tcp, ports: ["5"], occurrence: on-demand, encryption: forbidden, cite: [{document: d, lines: "1", section: s}]}
  - {id: open, title: t, from: [agent], to: [server], proto: tcp, ports: ["6"], occurrence: on-demand, cite: [{document: d, lines: "1", section: s}]}
`

const cipherSite = `
name: s
networks: [10.0.0.0/24]
hosts:
  - {name: a, addresses: [10.0.0.1], os: windows, roles: [p/agent]}
  - {name: b, addresses: [10.0.0.2], os: windows, roles: [p/server]}
`

func TestEncryption(t *testing.T) {
	const off = "encryption: [{flow: p/default, state: \"off\", source: template, approver: me}]\n"
	const ok, open, wrong = "documented", "documented unverified=encryption", "deviation encryption"
	for _, c := range []struct{ port, facts, site, want string }{
		{"1", "protocol=tls encrypted=TLS_1.3", "", ok},
		{"1", "protocol=tls encrypted=SSL_3.0", "", ok}, // an observation
		{"1", "protocol=quic encrypted=QUIC_v1", "", ok},
		{"1", "protocol=tls", "", open}, // the handshake did not end
		{"1", "", "", open},
		{"1", "protocol=unknown printable=97", "", open}, // proves nothing
		{"1", "protocol=kerberos", "", open},
		{"1", "protocol=http clear=HTTP_request_in_clear", "", wrong},
		{"1", "protocol=ssh encrypted=SSH_2.0", "", wrong},
		{"1", "protocol=smtp protocol=tls encrypted=TLS_1.2", "", ok},                         // an upgrade
		{"1", "protocol=smtp clear=login_in_clear protocol=tls encrypted=TLS_1.2", "", wrong}, // too late
		{"1", "protocol=dce-rpc encrypted=TLS_1.2 clear=DCE/RPC_call_in_clear", "", wrong},    // beside what is encrypted
		{"2", "protocol=ssh encrypted=SSH_2.0", "", ok},
		{"2", "protocol=tls encrypted=TLS_1.3", "", wrong},
		{"3", "protocol=tls encrypted=TLS_1.3 cert=hidden", "", ok},
		{"3", "protocol=tls encrypted=TLS_1.2 cert=not_requested", "", ok}, // a finding of its own
		{"3", "protocol=sip clear=SIP_request_in_clear", "", wrong},
		{"4", "protocol=ssh encrypted=SSH_2.0", "", ok}, // any will do
		{"4", "protocol=http clear=HTTP_request_in_clear", "", wrong},
		{"4", "protocol=http clear=HTTP_request_in_clear", off, ok},
		{"4", "", off, ok},
		{"5", "protocol=http clear=HTTP_request_in_clear", "", ok},
		{"5", "protocol=tls encrypted=TLS_1.3", "", wrong},
		{"5", "", "", open},
		{"6", "protocol=tls encrypted=TLS_1.3", "", ok},
		{"6", "protocol=http clear=HTTP_request_in_clear", "", ok},
	} {
		got := judgedLines(set(t, cipherSite+c.site, cipherPack), conns(t, "10.0.0.1:50000 > 10.0.0.2:"+c.port+" tcp established "+c.facts))[1]
		flow := " flow=p/" + map[string]string{"1": "tls", "2": "ssh", "3": "mtls", "4": "default", "5": "never", "6": "open"}[c.port]
		verdict, rest, _ := strings.Cut(c.want, " unverified")
		if rest != "" {
			rest = " unverified" + rest
		}
		if want := verdict + flow + rest; got != want {
			t.Errorf("port %s %s:\n got %s\nwant %s", c.port, c.facts, got, want)
		}
	}
}

func TestEncryptionFinding(t *testing.T) {
	a := audit(t, set(t, cipherSite, cipherPack), `
10.0.0.1:50000 > 10.0.0.2:1 tcp established protocol=http clear=HTTP_request_in_clear
10.0.0.1:50001 > 10.0.0.2:1 tcp established protocol=ssh encrypted=SSH_2.0
10.0.0.1:50002 > 10.0.0.2:4 tcp established protocol=ftp clear=FTP_login_in_clear`, nil)
	var told []string
	for _, f := range a.Findings {
		if f.Kind == kindConnection {
			told = append(told, f.Reason)
			for _, e := range f.Evidence {
				told = append(told, e.Told)
			}
		}
	}
	want := []string{
		"p/tls is documented as encrypted: HTTP request in clear, packet 102", "HTTP request in clear, packet 102", "SSH 2.0 where TLS is documented, packet 102",
		"p/default is encrypted by default, and no site file says that this is switched off: FTP login in clear, packet 102", "FTP login in clear, packet 102",
	}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %q\nwant %q", told, want)
	}
	if a.Result.Code != codeDeviations {
		t.Error(a.Result)
	}
}

func TestEncryptionSummary(t *testing.T) {
	const site = cipherSite + "encryption: [{flow: p/default, state: \"off\", source: template, approver: me}]\n"
	a := audit(t, set(t, site, cipherPack), `
10.0.0.1:50000 > 10.0.0.2:1 tcp established protocol=tls encrypted=TLS_1.3
10.0.0.1:50001 > 10.0.0.2:1 tcp established protocol=tls encrypted=TLS_1.0 note=TLS_1.0_in_use
10.0.0.1:50002 > 10.0.0.2:1 tcp refused
10.0.0.1:50003 > 10.0.0.2:1 tcp midstream
10.0.0.1:50004 > 10.0.0.2:1 tcp established protocol=unknown printable=5
10.0.0.1:50005 > 10.0.0.2:1 tcp established protocol=unknown printable=93
10.0.0.1:50006 > 10.0.0.2:1 tcp established protocol=tls
10.0.0.1:50007 > 10.0.0.2:3 tcp established protocol=tls encrypted=TLS_1.2 cert=not_requested
10.0.0.1:50008 > 10.0.0.2:3 tcp established protocol=tls encrypted=TLS_1.2 cert=sent
10.0.0.1:50009 > 10.0.0.2:3 tcp established protocol=tls encrypted=TLS_1.3 cert=hidden
10.0.0.1:50010 > 10.0.0.2:3 tcp established protocol=tls encrypted=TLS_1.3 cert=hidden
10.0.0.1:50011 > 10.0.0.2:4 tcp established protocol=http clear=HTTP_request_in_clear
10.0.0.1:50012 > 10.0.0.2:5 tcp established protocol=http clear=HTTP_request_in_clear
10.0.0.1:50013 > 10.0.0.2:6 tcp established protocol=smb1 note=SMB1_in_use note=SMB_signing_not_required clear=SMB_in_clear
10.0.0.1:50014 > 10.0.0.2:99 tcp established protocol=smb1 note=SMB1_in_use note=CONNECT_to_a.example:443_through_a_proxy`, nil)
	text, err := json.Marshal(map[string]any{"encryption": a.Encryption, "observations": a.Observations})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.NewReplacer(`"connections":1,"bytes":4500`, "1", `"connections":2,"bytes":9000`, "2", `"service":`, "", `"flow":`, "", `"reason":`, "", `"how":`, "", `"what":`, "", `"basis":`, "").Replace(string(text))
	for _, want := range []string{
		`"verified":[{"p/tls","tcp/1","TLS 1.0",1},{"p/tls","tcp/1","TLS 1.3",1},{"p/mtls","tcp/3","TLS 1.2",2},{"p/mtls","tcp/3","TLS 1.3",2}]`,
		`{"p/tls","tcp/1","begins before the capture",1},{"p/tls","tcp/1","unknown protocol, 5 to 93 % printable",2},{"p/tls","tcp/1","protocol recognised, but not whether it is encrypted",1}]`,
		`"documented_cleartext":[{"p/default","tcp/4","HTTP request in clear","site",1},{"p/never","tcp/5","HTTP request in clear","document",1},{"p/open","tcp/6","SMB in clear","unstated",1}]`,
		`"client_certificates":[{"p/mtls","tcp/3","requested":1,"not_requested":1,"hidden":2,"unknown":0}]`,
		`{"note":"SMB1 in use","tcp/6","hosts":1,"connections":1,`, `{"note":"SMB1 in use","tcp/99","hosts":1,"connections":1,`,
		`{"note":"SMB signing not required","tcp/6"`, `{"note":"CONNECT through a proxy","tcp/99"`, `{"note":"TLS 1.0 in use","tcp/1"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	var sum uint64
	for _, g := range a.Encryption.NotVerified {
		sum += g.Connections
	}
	if len(a.Unverified) == 0 || sum != 5 {
		t.Errorf("%d not verified, %v", sum, a.Unverified)
	}
	for _, u := range a.Unverified {
		if u.Reason == "encryption" && u.Connections != sum {
			t.Errorf("%d in the sum, %d in the list", u.Connections, sum)
		}
	}
	f := findingOf(t, a, "mutual-tls documented")
	if f.Summary != "b asks for no client certificate on tcp/3" || f.Severity != "low" || f.Decides || f.Connections != 1 {
		t.Errorf("%+v", f)
	}
}
