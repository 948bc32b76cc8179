package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
)

// serveFlags say where the status page is, and who may see it.
type serveFlags struct {
	listen   string
	hosts    []string
	cert     string
	key      string
	token    string
	clientCA string
}

func (f *serveFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.listen, "listen", "", "show a status page, metrics and the audit at `ADDR:PORT`, such as 127.0.0.1:9780")
	fl.StringArrayVar(&f.hosts, "listen-host", nil, "a `NAME` by which clients may ask for it, beside localhost and the address; repeat it for several")
	fl.StringVar(&f.cert, "tls-cert", "", "certificate chain of the status page, a PEM `FILE`; read again at SIGHUP")
	fl.StringVar(&f.key, "tls-key", "", "key of that certificate, a PEM `FILE`")
	fl.StringVar(&f.token, "token-file", "", "ask for the token in `FILE`: as bearer token, or as password of any user")
	fl.StringVar(&f.clientCA, "client-ca", "", "ask for a client certificate by an authority in the PEM `FILE`")
}

// check finds what is wrong with the flags before anything is opened.
func (f *serveFlags) check() error {
	if f.listen == "" {
		if f.cert != "" || f.key != "" || f.token != "" || f.clientCA != "" || len(f.hosts) > 0 {
			return errors.New("--listen-host, --tls-cert, --tls-key, --token-file and --client-ca need --listen")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(f.listen)
	addr, bad := netip.ParseAddr(host)
	switch {
	case err != nil || port == "" || bad != nil && host != "" && host != "localhost":
		return fmt.Errorf("--listen %q: write an address and a port, such as 127.0.0.1:9780 or [::1]:9780", f.listen)
	case slices.ContainsFunc(f.hosts, noHost):
		return fmt.Errorf("--listen-host %q: write names or addresses, each without scheme and port", f.hosts)
	case (f.cert == "") != (f.key == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case f.clientCA != "" && f.cert == "":
		return errors.New("--client-ca needs --tls-cert and --tls-key")
	case host != "localhost" && !addr.IsLoopback() && (f.cert == "" || f.token == "" && f.clientCA == ""):
		return hint(fmt.Errorf("--listen %s: others than this machine could see it", f.listen), "give --tls-cert and --tls-key, and --token-file or --client-ca; or listen on 127.0.0.1")
	}
	return nil
}

// noHost is true for what no client can ask by.
func noHost(name string) bool {
	_, err := netip.ParseAddr(name)
	return err != nil && (strings.Trim(name, ".") == "" || strings.ContainsAny(name, ":/[]@ "))
}

const (
	maxSecretFile = 64 << 10
	shortestToken = 32
)

// bearer reads the token; nil where none is asked for.
func (f *serveFlags) bearer() ([]byte, error) {
	if f.token == "" {
		return nil, nil
	}
	fail := func(err error, advice string) error {
		return exitError{exitUsage, hint(fmt.Errorf("--token-file: %w", err), "%s", advice)}
	}
	data, err := readBounded(f.token, maxSecretFile)
	if err != nil {
		return nil, fail(err, "correct the path")
	}
	if st, err := os.Stat(f.token); err == nil && st.Mode().Perm()&0o007 != 0 && os.PathSeparator == '/' {
		return nil, fail(fmt.Errorf("everybody may read or write %s", f.token), "chmod o= "+f.token)
	}
	token := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	odd := strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
	if len(token) < shortestToken || odd {
		return nil, fail(fmt.Errorf("%s does not hold one line of at least %d ASCII characters without spaces", f.token, shortestToken), "make one with: openssl rand -hex 32")
	}
	return []byte(token), nil
}

// serverIdentity is the certificate by which the server is known, and those whom it asks for one.
type serverIdentity struct {
	flags   *serveFlags
	current atomic.Pointer[tls.Certificate]
	clients *x509.CertPool // nil: anybody
}

// certificate reads it; nil where TLS is not asked for.
func (f *serveFlags) certificate() (*serverIdentity, error) {
	if f.cert == "" {
		return nil, nil
	}
	i := &serverIdentity{flags: f}
	if err := i.read(); err != nil {
		return nil, exitError{exitUsage, err}
	}
	if f.clientCA == "" {
		return i, nil
	}
	text, err := readBounded(f.clientCA, 1<<20)
	if err != nil {
		return nil, exitError{exitUsage, fmt.Errorf("--client-ca: %w", err)}
	}
	i.clients = x509.NewCertPool()
	if !i.clients.AppendCertsFromPEM(text) {
		return nil, exitError{exitUsage, fmt.Errorf("--client-ca: %s holds no certificate in PEM", f.clientCA)}
	}
	return i, nil
}

// read takes the files as they are now. It may run in any goroutine.
func (i *serverIdentity) read() error {
	cert, err := readBounded(i.flags.cert, 1<<20)
	if err != nil {
		return fmt.Errorf("--tls-cert: %w", err)
	}
	key, err := readBounded(i.flags.key, maxSecretFile)
	if err != nil {
		return fmt.Errorf("--tls-key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("--tls-cert %s with --tls-key: %w", i.flags.cert, err)
	}
	i.current.Store(&pair)
	return nil
}

func (i *serverIdentity) config() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.current.Load(), nil }}
	if i.clients != nil {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, i.clients
	}
	return c
}
