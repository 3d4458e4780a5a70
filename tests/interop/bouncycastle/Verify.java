import java.io.FileReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import java.util.Set;
import org.bouncycastle.asn1.gm.GMObjectIdentifiers;
import org.bouncycastle.cert.X509CRLHolder;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.DefaultCMSSignatureAlgorithmNameGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.cms.jcajce.JcaSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.crypto.engines.SM4Engine;
import org.bouncycastle.crypto.fpe.FPEFF1Engine;
import org.bouncycastle.crypto.params.FPEParameters;
import org.bouncycastle.crypto.params.KeyParameter;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.TimeStampToken;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSData;
import org.bouncycastle.tsp.ers.ERSDataGroup;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;
import org.bouncycastle.util.Store;
import org.bouncycastle.util.encoders.Hex;

/**
 * Verifies SM2 certificates, lists, messages and timestamps with BouncyCastle.
 *
 * <pre>
 * Verify certificate ANCHOR.pem CHAIN.pem EPOCH_SECONDS     chain, leaf first, to the anchor at that moment
 * Verify crl         ISSUER.pem LIST.der
 * Verify cms         ANCHOR.pem MESSAGE.der EPOCH_SECONDS [CONTENT]   every signer, and its chain to the anchor
 * Verify timestamp   ANCHOR.pem RESPONSE.tsr QUERY.tsq
 * Verify ers         RECORD.ers EPOCH_SECONDS DOCUMENT...   it is over exactly these, and its last time-stamp is signed
 * Verify ff1         KEY CASES     CASES: lines of radix, tweak, numerals, their SM4-FF1, all but the radix hexadecimal;
 *                                  a numeral has two octets when the radix is above 256
 * </pre>
 *
 * Exit status 0: it verifies; 1: it does not, with the reason on the standard error; 2: wrong arguments.
 */
public final class Verify {
    private static final String BC = BouncyCastleProvider.PROVIDER_NAME;

    public static void main(String[] arguments) {
        Security.addProvider(new BouncyCastleProvider());
        if (arguments.length < 3) {
            System.err.println("arguments: certificate|crl|cms|timestamp|ers|ff1 FILE...");
            System.exit(2);
        }
        try {
            switch (arguments[0]) {
                case "certificate" -> certificate(arguments);
                case "crl" -> crl(arguments);
                case "cms" -> cms(arguments);
                case "timestamp" -> timestamp(arguments);
                case "ers" -> ers(arguments);
                case "ff1" -> ff1(arguments);
                default -> {
                    System.err.println("no such mode: " + arguments[0]);
                    System.exit(2);
                }
            }
        } catch (Exception failure) {
            System.err.println(failure);
            System.exit(1);
        }
    }

    private static void certificate(String[] arguments) throws Exception {
        List<X509CertificateHolder> chain = read(arguments[2]);
        path(read(arguments[1]).get(0), chain.get(0), chain, moment(arguments[3]));
    }

    private static void crl(String[] arguments) throws Exception {
        X509CertificateHolder issuer = read(arguments[1]).get(0);
        X509CRLHolder list = new X509CRLHolder(bytes(arguments[2]));
        require(list.getIssuer().equals(issuer.getSubject()), "the list names another issuer");
        require(
                list.isSignatureValid(new JcaContentVerifierProviderBuilder().setProvider(BC).build(issuer)),
                "the list's signature does not verify");
    }

    @SuppressWarnings("unchecked") // Store.getMatches is raw in SignerId
    private static void cms(String[] arguments) throws Exception {
        byte[] encoded = bytes(arguments[2]);
        CMSSignedData message = arguments.length > 4
                ? new CMSSignedData(new CMSProcessableByteArray(bytes(arguments[4])), encoded)
                : new CMSSignedData(encoded);
        Collection<SignerInformation> signers = message.getSignerInfos().getSigners();
        require(!signers.isEmpty(), "nobody signed the message");
        for (SignerInformation signer : signers) {
            X509CertificateHolder certificate = only(message.getCertificates().getMatches(signer.getSID()));
            require(signer.verify(verifier(certificate)), "a signature does not verify");
            path(read(arguments[1]).get(0), certificate, all(message.getCertificates()), moment(arguments[3]));
        }
    }

    @SuppressWarnings("unchecked")
    private static void ff1(String[] arguments) throws Exception {
        KeyParameter key = new KeyParameter(Files.readAllBytes(Path.of(arguments[1])));
        for (String line : Files.readAllLines(Path.of(arguments[2]))) {
            String[] part = line.split(" ", -1);
            byte[] numerals = Hex.decode(part[2]);
            byte[] result = new byte[numerals.length];
            FPEFF1Engine engine = new FPEFF1Engine(new SM4Engine());
            engine.init(true, new FPEParameters(key, Integer.parseInt(part[0]), Hex.decode(part[1])));
            engine.processBlock(numerals, 0, numerals.length, result, 0);
            if (!Hex.toHexString(result).equals(part[3])) {
                throw new IllegalStateException(line);
            }
        }
    }

    private static void timestamp(String[] arguments) throws Exception {
        TimeStampResponse response = new TimeStampResponse(bytes(arguments[2]));
        response.validate(new TimeStampRequest(bytes(arguments[3])));
        TimeStampToken token = response.getTimeStampToken();
        require(token != null, "not granted: " + response.getStatusString());
        X509CertificateHolder certificate = only(token.getCertificates().getMatches(token.getSID()));
        token.validate(verifier(certificate));
        Date moment = token.getTimeStampInfo().getGenTime();
        path(read(arguments[1]).get(0), certificate, all(token.getCertificates()), moment);
    }

    private static SignerInformationVerifier verifier(X509CertificateHolder certificate) throws Exception {
        return new JcaSignerInfoVerifierBuilder(new JcaDigestCalculatorProviderBuilder().setProvider(BC).build())
                .setProvider(BC)
                .setSignatureAlgorithmNameGenerator(new GmNames())
                .build(certificate);
    }

    /** GB/T 35275 names the scheme SM2 alone (...301.1), which BouncyCastle does not know. */
    private static final class GmNames extends DefaultCMSSignatureAlgorithmNameGenerator {
        GmNames() {
            setSigningEncryptionAlgorithmMapping(GMObjectIdentifiers.sm2sign, "SM2");
            setSigningDigestAlgorithmMapping(GMObjectIdentifiers.sm3, "SM3");
        }
    }

    /** Full path validation; throws when there is no path. */
    private static void path(
            X509CertificateHolder anchor,
            X509CertificateHolder leaf,
            List<X509CertificateHolder> others,
            Date moment)
            throws Exception {
        JcaX509CertificateConverter converter = new JcaX509CertificateConverter().setProvider(BC);
        List<X509Certificate> pool = new ArrayList<>();
        for (X509CertificateHolder other : others) {
            pool.add(converter.getCertificate(other));
        }
        X509CertSelector target = new X509CertSelector();
        target.setCertificate(converter.getCertificate(leaf));
        TrustAnchor trusted = new TrustAnchor(converter.getCertificate(anchor), null);
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(Set.of(trusted), target);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(pool), BC));
        parameters.setRevocationEnabled(false);
        parameters.setDate(moment);
        CertPathBuilder.getInstance("PKIX", BC).build(parameters);
    }

    private static List<X509CertificateHolder> read(String file) throws Exception {
        List<X509CertificateHolder> certificates = new ArrayList<>();
        try (PEMParser parser = new PEMParser(new FileReader(file))) {
            for (Object item = parser.readObject(); item != null; item = parser.readObject()) {
                certificates.add((X509CertificateHolder) item);
            }
        }
        require(!certificates.isEmpty(), "no certificate in " + file);
        return certificates;
    }

    private static List<X509CertificateHolder> all(Store<X509CertificateHolder> store) {
        return new ArrayList<>(store.getMatches(null));
    }

    private static X509CertificateHolder only(Collection<?> matches) {
        require(matches.size() == 1, "the signer's certificate is not in the message");
        return (X509CertificateHolder) matches.iterator().next();
    }

    private static byte[] bytes(String file) throws Exception {
        return Files.readAllBytes(Path.of(file));
    }

    private static Date moment(String epochSeconds) {
        return new Date(Long.parseLong(epochSeconds) * 1000);
    }

    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new IllegalStateException(otherwise);
        }
    }

    private static void ers(String[] arguments) throws Exception {
        var record = new ERSEvidenceRecord(
                Files.readAllBytes(Path.of(arguments[1])),
                new JcaDigestCalculatorProviderBuilder().setProvider(BC).build());
        List<ERSData> documents = new ArrayList<>();
        for (int i = 3; i < arguments.length; i++) {
            documents.add(new ERSByteData(Files.readAllBytes(Path.of(arguments[i]))));
        }
        record.validatePresent(new ERSDataGroup(documents), new Date(Long.parseLong(arguments[2]) * 1000));
        var signer = record.getSigningCertificate();
        record.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider(BC).build(signer));
    }
}
