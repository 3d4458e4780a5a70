import java.io.ByteArrayOutputStream;
import java.io.FileReader;
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CRL;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import java.util.Set;
import org.bouncycastle.asn1.ASN1BitString;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.ASN1Set;
import org.bouncycastle.asn1.ASN1TaggedObject;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.gm.GMNamedCurves;
import org.bouncycastle.asn1.gm.GMObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.ContentInfo;
import org.bouncycastle.asn1.pkcs.PBES2Parameters;
import org.bouncycastle.asn1.pkcs.PBKDF2Params;
import org.bouncycastle.asn1.pkcs.PKCS12PBEParams;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CRLHolder;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CRLConverter;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.DefaultCMSSignatureAlgorithmNameGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.cms.jcajce.JcaSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.crypto.BufferedBlockCipher;
import org.bouncycastle.crypto.PBEParametersGenerator;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.digests.SM3Digest;
import org.bouncycastle.crypto.engines.SM2Engine;
import org.bouncycastle.crypto.engines.SM4Engine;
import org.bouncycastle.crypto.fpe.FPEFF1Engine;
import org.bouncycastle.crypto.generators.PKCS12ParametersGenerator;
import org.bouncycastle.crypto.generators.PKCS5S2ParametersGenerator;
import org.bouncycastle.crypto.io.CipherInputStream;
import org.bouncycastle.crypto.macs.HMac;
import org.bouncycastle.crypto.modes.CBCBlockCipher;
import org.bouncycastle.crypto.paddings.PaddedBufferedBlockCipher;
import org.bouncycastle.crypto.params.ECDomainParameters;
import org.bouncycastle.crypto.params.ECNamedDomainParameters;
import org.bouncycastle.crypto.params.ECPrivateKeyParameters;
import org.bouncycastle.crypto.params.FPEParameters;
import org.bouncycastle.crypto.params.KeyParameter;
import org.bouncycastle.crypto.params.ParametersWithIV;
import org.bouncycastle.jcajce.PKIXExtendedBuilderParameters;
import org.bouncycastle.jcajce.PKIXExtendedParameters;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.operator.GenericKey;
import org.bouncycastle.operator.InputDecryptor;
import org.bouncycastle.operator.InputDecryptorProvider;
import org.bouncycastle.operator.MacCalculator;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.pkcs.PKCS12MacCalculatorBuilder;
import org.bouncycastle.pkcs.PKCS12MacCalculatorBuilderProvider;
import org.bouncycastle.pkcs.PKCS12PfxPdu;
import org.bouncycastle.pkcs.PKCS12SafeBag;
import org.bouncycastle.pkcs.PKCS12SafeBagFactory;
import org.bouncycastle.pkcs.PKCS8EncryptedPrivateKeyInfo;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.TimeStampToken;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSData;
import org.bouncycastle.tsp.ers.ERSDataGroup;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;
import org.bouncycastle.util.Arrays;
import org.bouncycastle.util.BigIntegers;
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
 * Verify revocation  ANCHOR.pem CHAIN.pem EPOCH_SECONDS LIST.der...   as certificate, every certificate on no list
 * Verify pfx         FILE PASSWORD     prints d and the certificates, one a line, hexadecimal
 * Verify envelope    D ENVELOPED_KEY.der CERTIFICATE.pem     the GB/T 35276 envelope holds the certificate's key
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
                case "revocation" -> revocation(arguments);
                case "pfx" -> pfx(arguments);
                case "envelope" -> envelope(arguments);
                case "enveloped" -> enveloped(arguments);
                case "ff1" -> ff1(arguments);
                default -> {
                    System.err.println("no such mode: " + arguments[0]);
                    System.exit(2);
                }
            }
        } catch (Exception failure) {
            for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
                System.err.println(cause);
            }
            System.exit(1);
        }
    }

    private static void certificate(String[] arguments) throws Exception {
        List<X509CertificateHolder> chain = read(arguments[2]);
        path(read(arguments[1]).get(0), chain.get(0), chain, moment(arguments[3]));
    }

    private static void revocation(String[] arguments) throws Exception {
        List<X509CRL> lists = new ArrayList<>();
        for (int at = 4; at < arguments.length; at++) {
            lists.add(new JcaX509CRLConverter().setProvider(BC).getCRL(new X509CRLHolder(bytes(arguments[at]))));
        }
        List<X509CertificateHolder> chain = read(arguments[2]);
        path(read(arguments[1]).get(0), chain.get(0), chain, moment(arguments[3]), lists);
    }

    private static void pfx(String[] arguments) throws Exception {
        char[] password = arguments[2].toCharArray();
        PKCS12PfxPdu file = new PKCS12PfxPdu(bytes(arguments[1]));
        require(file.isMacValid(new Sm3Mac(), password), "the MAC does not verify");
        InputDecryptorProvider opener = new Opener(password);
        for (ContentInfo safe : file.getContentInfos()) {
            boolean hidden = safe.getContentType().equals(PKCSObjectIdentifiers.encryptedData);
            PKCS12SafeBagFactory bags =
                    hidden ? new PKCS12SafeBagFactory(safe, opener) : new PKCS12SafeBagFactory(safe);
            for (PKCS12SafeBag bag : bags.getSafeBags()) {
                if (bag.getBagValue() instanceof PKCS8EncryptedPrivateKeyInfo shrouded) {
                    PrivateKeyInfo info = shrouded.decryptPrivateKeyInfo(opener);
                    BigInteger d = org.bouncycastle.asn1.sec.ECPrivateKey.getInstance(info.parsePrivateKey()).getKey();
                    System.out.println(Hex.toHexString(BigIntegers.asUnsignedByteArray(32, d)));
                } else if (bag.getBagValue() instanceof X509CertificateHolder certificate) {
                    System.out.println(Hex.toHexString(certificate.getEncoded()));
                }
            }
        }
    }

    /** PBES2 with SM4-CBC, by PBKDF2 with HMAC-SM3 or HMAC-SHA256. */
    private record Opener(char[] password) implements InputDecryptorProvider {
        @Override
        public InputDecryptor get(AlgorithmIdentifier identifier) {
            PBES2Parameters scheme = PBES2Parameters.getInstance(identifier.getParameters());
            PBKDF2Params given =
                    PBKDF2Params.getInstance(scheme.getKeyDerivationFunc().getParameters());
            boolean sm3 = given.getPrf().getAlgorithm().equals(GMObjectIdentifiers.hmac_sm3);
            PKCS5S2ParametersGenerator generator =
                    new PKCS5S2ParametersGenerator(sm3 ? new SM3Digest() : new SHA256Digest());
            generator.init(
                    PBEParametersGenerator.PKCS5PasswordToUTF8Bytes(password),
                    given.getSalt(),
                    given.getIterationCount().intValue());
            byte[] iv = ASN1OctetString.getInstance(scheme.getEncryptionScheme().getParameters())
                    .getOctets();
            BufferedBlockCipher cipher = new PaddedBufferedBlockCipher(new CBCBlockCipher(new SM4Engine()));
            cipher.init(false, new ParametersWithIV(generator.generateDerivedParameters(128), iv));
            return new InputDecryptor() {
                @Override
                public AlgorithmIdentifier getAlgorithmIdentifier() {
                    return identifier;
                }

                @Override
                public InputStream getInputStream(InputStream encrypted) {
                    return new CipherInputStream(encrypted, cipher);
                }
            };
        }
    }

    /** The MAC of RFC 7292 with SM3, which BouncyCastle's own providers do not offer by its identifier. */
    private static final class Sm3Mac implements PKCS12MacCalculatorBuilderProvider {
        @Override
        public PKCS12MacCalculatorBuilder get(AlgorithmIdentifier identifier) {
            return new PKCS12MacCalculatorBuilder() {
                @Override
                public MacCalculator build(char[] password) {
                    PKCS12PBEParams given = PKCS12PBEParams.getInstance(identifier.getParameters());
                    PKCS12ParametersGenerator generator = new PKCS12ParametersGenerator(new SM3Digest());
                    generator.init(
                            PBEParametersGenerator.PKCS12PasswordToBytes(password),
                            given.getIV(),
                            given.getIterations().intValue());
                    HMac mac = new HMac(new SM3Digest());
                    mac.init(generator.generateDerivedMacParameters(256));
                    ByteArrayOutputStream message = new ByteArrayOutputStream();
                    return new MacCalculator() {
                        @Override
                        public AlgorithmIdentifier getAlgorithmIdentifier() {
                            return identifier;
                        }

                        @Override
                        public OutputStream getOutputStream() {
                            return message;
                        }

                        @Override
                        public byte[] getMac() {
                            byte[] result = new byte[mac.getMacSize()];
                            mac.update(message.toByteArray(), 0, message.size());
                            mac.doFinal(result, 0);
                            return result;
                        }

                        @Override
                        public GenericKey getKey() {
                            return null;
                        }
                    };
                }

                @Override
                public AlgorithmIdentifier getDigestAlgorithmIdentifier() {
                    return new AlgorithmIdentifier(GMObjectIdentifiers.sm3, DERNull.INSTANCE);
                }
            };
        }
    }

    private static void envelope(String[] arguments) throws Exception {
        ECDomainParameters curve = new ECNamedDomainParameters(
                GMObjectIdentifiers.sm2p256v1, GMNamedCurves.getByOID(GMObjectIdentifiers.sm2p256v1));
        ASN1Sequence whole = ASN1Sequence.getInstance(bytes(arguments[2]));
        ASN1Sequence cipher = ASN1Sequence.getInstance(whole.getObjectAt(1));
        byte[] c1 = curve.getCurve()
                .createPoint(integer(cipher, 0), integer(cipher, 1))
                .getEncoded(false);
        byte[] c3 = ASN1OctetString.getInstance(cipher.getObjectAt(2)).getOctets();
        byte[] c2 = ASN1OctetString.getInstance(cipher.getObjectAt(3)).getOctets();
        SM2Engine engine = new SM2Engine(SM2Engine.Mode.C1C3C2);
        engine.init(false, new ECPrivateKeyParameters(new BigInteger(arguments[1], 16), curve));
        byte[] joined = Arrays.concatenate(c1, c3, c2);
        byte[] key = engine.processBlock(joined, 0, joined.length);
        SM4Engine block = new SM4Engine();
        block.init(false, new KeyParameter(key));
        byte[] secret = ASN1BitString.getInstance(whole.getObjectAt(3)).getOctets();
        for (int at = 0; at < secret.length; at += 16) {
            block.processBlock(secret, at, secret, at);
        }
        byte[] point = curve.getG().multiply(new BigInteger(1, secret)).normalize().getEncoded(false);
        byte[] certified =
                read(arguments[3]).get(0).getSubjectPublicKeyInfo().getPublicKeyData().getBytes();
        require(Arrays.areEqual(point, certified), "another key than the certificate's");
        byte[] told = ASN1BitString.getInstance(whole.getObjectAt(2)).getOctets();
        require(Arrays.areEqual(point, told), "another key than the envelope says");
    }

    /** EnvelopedData of GB/T 35275, whose content type BouncyCastle's own reader does not know. */
    private static void enveloped(String[] arguments) throws Exception {
        ECDomainParameters curve = new ECNamedDomainParameters(
                GMObjectIdentifiers.sm2p256v1, GMNamedCurves.getByOID(GMObjectIdentifiers.sm2p256v1));
        ASN1Sequence info = ASN1Sequence.getInstance(bytes(arguments[2]));
        require(info.getObjectAt(0).toString().equals("1.2.156.10197.6.1.4.2.3"), "no enveloped data");
        ASN1Sequence data = ASN1Sequence.getInstance(ASN1TaggedObject.getInstance(info.getObjectAt(1)), true);
        ASN1Sequence recipient =
                ASN1Sequence.getInstance(ASN1Set.getInstance(data.getObjectAt(1)).getObjectAt(0));
        ASN1Sequence cipher = ASN1Sequence.getInstance(
                ASN1OctetString.getInstance(recipient.getObjectAt(3)).getOctets());
        SM2Engine engine = new SM2Engine(SM2Engine.Mode.C1C3C2);
        engine.init(false, new ECPrivateKeyParameters(new BigInteger(arguments[1], 16), curve));
        byte[] joined = Arrays.concatenate(
                curve.getCurve()
                        .createPoint(integer(cipher, 0), integer(cipher, 1))
                        .getEncoded(false),
                ASN1OctetString.getInstance(cipher.getObjectAt(2)).getOctets(),
                ASN1OctetString.getInstance(cipher.getObjectAt(3)).getOctets());
        byte[] key = engine.processBlock(joined, 0, joined.length);
        ASN1Sequence content = ASN1Sequence.getInstance(data.getObjectAt(2));
        ASN1Sequence algorithm = ASN1Sequence.getInstance(content.getObjectAt(1));
        byte[] iv = ASN1OctetString.getInstance(algorithm.getObjectAt(1)).getOctets();
        byte[] body = ASN1OctetString.getInstance(ASN1TaggedObject.getInstance(content.getObjectAt(2)), false)
                .getOctets();
        PaddedBufferedBlockCipher block = new PaddedBufferedBlockCipher(CBCBlockCipher.newInstance(new SM4Engine()));
        block.init(false, new ParametersWithIV(new KeyParameter(key), iv));
        byte[] plain = new byte[block.getOutputSize(body.length)];
        int size = block.processBytes(body, 0, body.length, plain, 0);
        size += block.doFinal(plain, size);
        require(Arrays.areEqual(Arrays.copyOf(plain, size), bytes(arguments[3])), "another content");
    }

    private static BigInteger integer(ASN1Sequence sequence, int at) {
        return ASN1Integer.getInstance(sequence.getObjectAt(at)).getPositiveValue();
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
        path(anchor, leaf, others, moment, List.of());
    }

    /** With lists every certificate of the path has to be on none of them, nor on a list of changes among them. */
    private static void path(
            X509CertificateHolder anchor,
            X509CertificateHolder leaf,
            List<X509CertificateHolder> others,
            Date moment,
            List<X509CRL> lists)
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
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists), BC));
        parameters.setRevocationEnabled(!lists.isEmpty());
        parameters.setDate(moment);
        PKIXExtendedParameters extended = new PKIXExtendedParameters.Builder(parameters).setUseDeltasEnabled(true).build();
        CertPathBuilder.getInstance("PKIX", BC).build(new PKIXExtendedBuilderParameters.Builder(extended).build());
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
