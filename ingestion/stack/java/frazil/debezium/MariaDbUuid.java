package frazil.debezium;

import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.connect.data.SchemaBuilder;

/**
 * MariaDB's {@code uuid} as text. The log leaves zero bytes at a value's end out, and Debezium 3.5 reads what is left
 * as a number, so that they come back in front; a {@code uuid} has 16 bytes, so here they are put where they were.
 */
public final class MariaDbUuid implements CustomConverter<SchemaBuilder, RelationalColumn> {
    private static final int BYTES = 16;

    @Override
    public void configure(Properties options) {
        // It has none.
    }

    @Override
    public void converterFor(RelationalColumn column, ConverterRegistration<SchemaBuilder> registration) {
        if ("UUID".equalsIgnoreCase(column.typeName())) {
            registration.register(SchemaBuilder.string().name("io.debezium.data.Uuid").version(1), MariaDbUuid::text);
        }
    }

    /** Bytes come from the log, anything else from a query or a definition. */
    private static Object text(Object value) {
        if (value instanceof byte[] bytes) {
            if (bytes.length > BYTES) {
                throw new IllegalArgumentException("a uuid of " + bytes.length + " bytes");
            }
            ByteBuffer whole = ByteBuffer.wrap(Arrays.copyOf(bytes, BYTES));
            return new UUID(whole.getLong(), whole.getLong()).toString();
        }
        return value == null ? null : value.toString();
    }
}
