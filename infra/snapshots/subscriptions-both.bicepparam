using '../event-subscriptions.bicep'

param systemTopicName = 'evgt-topic'
param functionAppId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-acs-events/providers/Microsoft.Web/sites/func-app'
param deadLetterStorageAccountId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-acs-events/providers/Microsoft.Storage/storageAccounts/stoutcomes'
param chatLevel = 'both'
