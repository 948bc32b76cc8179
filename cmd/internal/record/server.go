package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pcapaudit/cmd/internal/netns"
)

// server is real software on a host: the files it needs, what is run first, its command line, and the port that shows that it is up.
// {dir} stands for a directory of its own, {all} for the scratch directory, {HOST} for a host's IPv4 address.
type server struct {
	host   string
	name   string
	files  map[string]string
	dirs   []string
	before [][]string
	args   []string
	port   int // TCP port to wait for; 0: none
	wait   time.Duration
}

func (s server) String() string { return s.name + " of " + s.host }

func (s server) start(l *lab) error {
	n, err := l.node(s.host)
	if err != nil {
		return err
	}
	dir := filepath.Join(l.dir, s.host+"-"+s.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	fill := func(text string) string {
		return strings.ReplaceAll(l.expand([]string{strings.NewReplacer("{dir}", dir, "{all}", l.dir).Replace(text)})[0], "{dir}", dir)
	}
	for _, d := range s.dirs {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	for name, text := range s.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fill(text)), 0o644); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	for _, b := range append(s.before, nil) {
		if b == nil {
			break
		}
		if _, err := l.inside(n, mapped(b, fill)...); err != nil {
			return err
		}
	}
	if err := l.daemon(n, mapped(s.args, fill)...); err != nil {
		return err
	}
	if s.port != 0 {
		return l.waitFor(n, s.port, s.args[0])
	}
	l.sleep(max(s.wait, 200*time.Millisecond))
	return nil
}

func mapped(in []string, f func(string) string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = f(s)
	}
	return out
}

// waitFor tries a host's own port until it answers. The traffic stays on the host's loopback.
func (l *lab) waitFor(n *node, port int, program string) error {
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)).String()
	var err error
	for range 100 {
		err = netns.In(n.space, func() error {
			c, err := net.DialTimeout("tcp", at, time.Second)
			if err == nil {
				c.Close()
			}
			return err
		})
		if err == nil || l.ctx.Err() != nil {
			return l.ctx.Err()
		}
		l.sleep(100 * time.Millisecond)
	}
	log := l.logs[n.name+" "+filepath.Base(program)]
	return errors.Join(fmt.Errorf("port %d does not answer: %w", port, err), fmt.Errorf("log: %s", log))
}

// nginx serves pages: plain on the ports of http, TLS on those of https; redirect sends plain requests on to HTTPS.
func nginx(host string, http, https []int, redirect bool) server {
	var b strings.Builder
	b.WriteString("daemon off; master_process off; pid {dir}/pid; error_log stderr; events {}\nhttp { access_log off; server_tokens off; default_type text/plain;\n")
	for _, dir := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path {dir}/%s;\n", dir, dir)
	}
	body := "return 200 \"" + strings.TrimSpace(string(text(300))) + "\";"
	for _, p := range http {
		answer := body
		if redirect {
			answer = "return 301 https://$host/;"
		}
		fmt.Fprintf(&b, "server { listen [::]:%d ipv6only=off; location / { %s } }\n", p, answer)
	}
	for _, p := range https {
		fmt.Fprintf(&b, "server { listen [::]:%d ssl ipv6only=off; ssl_certificate {all}/cert.pem; ssl_certificate_key {all}/key.pem; location / { %s } }\n", p, body)
	}
	b.WriteString("}\n")
	first := append(append([]int(nil), http...), https...)[0]
	return server{host: host, name: "nginx", files: map[string]string{"nginx.conf": b.String()},
		args: []string{"nginx", "-p", "{dir}", "-e", "stderr", "-c", "{dir}/nginx.conf"}, port: first}
}

// sshd takes the key that push and sftp below show.
func sshd(host string) server {
	return server{host: host, name: "sshd", port: 22,
		files: map[string]string{"sshd_config": "Port 22\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/user.pub\nPidFile none\nUsePAM no\n" +
			"PermitRootLogin yes\nStrictModes no\nPasswordAuthentication no\nUseDNS no\nSubsystem sftp internal-sftp\n"},
		dirs: []string{"home"},
		before: [][]string{
			{"mkdir", "-p", "/run/sshd"},
			{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "record", "-f", "{dir}/host"},
			{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "record", "-f", "{dir}/user"},
		},
		args: []string{"/usr/sbin/sshd", "-D", "-e", "-f", "{dir}/sshd_config"}}
}

var sshOptions = []string{"-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
	"-o", "IdentitiesOnly=yes"}

// ssh runs a command on a host that has sshd, by OpenSSH's own program.
func ssh(from, to string) tool {
	args := append([]string{"ssh"}, sshOptions...)
	return call(from, append(args, "-i", "{dir}/"+to+"-sshd/user", "root@{"+to+"}", "true")...)
}

// smbd shares one directory with guests, on 445 only.
func smbd(host string) server { return fileServer(host, "guest ok = yes\n") }

// smbdSecure shares it with the user root, password "recorded", encrypted only.
func smbdSecure(host string) server {
	s := fileServer(host, "valid users = root\nserver smb encrypt = required\n")
	s.before = [][]string{{"sh", "-c", "printf 'recorded\\nrecorded\\n' | smbpasswd -c {dir}/smb.conf -s -a root"}}
	return s
}

func fileServer(host, share string) server {
	conf := "[global]\nserver role = standalone server\nworkgroup = LAB\nsmb ports = 445\ndisable netbios = yes\nmap to guest = bad user\nguest account = nobody\n" +
		"lock directory = {dir}/lock\nstate directory = {dir}/state\ncache directory = {dir}/cache\npid directory = {dir}/pid\nprivate dir = {dir}/private\n" +
		"ncalrpc dir = {dir}/ncalrpc\nlog file = {dir}/log.smbd\nload printers = no\nprinting = bsd\nprintcap name = /dev/null\ndisable spoolss = yes\n" +
		"rpc start on demand helpers = false\n" +
		"[push]\npath = {dir}/share\nread only = no\nforce user = root\n" + share
	return server{host: host, name: "smbd", port: 445, files: map[string]string{"smb.conf": conf},
		dirs: []string{"lock", "state", "cache", "pid", "private", "ncalrpc", "share"},
		args: []string{"smbd", "-F", "--no-process-group", "-s", "{dir}/smb.conf"}}
}

// smbPut writes a small file to a host's share by smbclient.
func smbPut(from, to string) tool {
	return call(from, "smbclient", "-s", "/dev/null", "-N", "-p", "445", "//{"+to+"}/push", "-c", "put {dir}/cert.pem settings.pem; ls")
}

// smbPutSecure does the same as the user of smbdSecure.
func smbPutSecure(from, to string) tool {
	return call(from, "smbclient", "-s", "/dev/null", "-U", "root%recorded", "-p", "445", "//{"+to+"}/push", "-c", "put {dir}/cert.pem settings.pem; ls")
}

// endpointMapper adds Samba's RPC service to a host's smbd: an endpoint mapper on 135 and services on ports that the kernel's range holds.
func endpointMapper(host string) server {
	return server{host: host, name: "dcerpcd", port: 135,
		args: []string{"/usr/libexec/samba/samba-dcerpcd", "-F", "--libexec-rpcds", "-s", "{all}/" + host + "-smbd/smb.conf"}}
}

// rpc asks a host's endpoint mapper for a service and calls it on the port it was told.
func rpc(from, to string) tool {
	t := call(from, "rpcclient", "-s", "/dev/null", "-U%", "ncacn_ip_tcp:{"+to+"}", "-c", "lsaquery")
	t.may = true // a guest may bind and call, and is told that it may not ask
	return t
}
